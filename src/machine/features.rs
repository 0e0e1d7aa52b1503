//! What a processor must have for an instruction.

use iced_x86::{CpuidFeature, Instruction};

/// Features whose Linux names (arch/x86/include/asm/cpufeatures.h) are not those of iced in lower case.
const NAMES: &[(CpuidFeature, &str)] = &[
    (CpuidFeature::AVX512_4FMAPS, "avx512_4fmaps"),
    (CpuidFeature::AVX512_IFMA, "avx512ifma"),
    (CpuidFeature::AVX512_VBMI, "avx512vbmi"),
    (CpuidFeature::CMPXCHG16B, "cx16"),
    (CpuidFeature::D3NOW, "3dnow"),
    (CpuidFeature::D3NOWEXT, "3dnowext"),
    (CpuidFeature::LZCNT, "abm"),
    (CpuidFeature::SHA, "sha_ni"),
    (CpuidFeature::SSE3, "pni"),
];

/// Features of programs, which Linux has under the name of iced in lower case. What is not listed, processors of this
/// architecture have in any case, or it is for the kernel.
const SAME: &[CpuidFeature] = &[
    CpuidFeature::ADX,
    CpuidFeature::AES,
    CpuidFeature::AMX_BF16,
    CpuidFeature::AMX_INT8,
    CpuidFeature::AMX_TILE,
    CpuidFeature::AVX,
    CpuidFeature::AVX2,
    CpuidFeature::AVX512BW,
    CpuidFeature::AVX512CD,
    CpuidFeature::AVX512DQ,
    CpuidFeature::AVX512ER,
    CpuidFeature::AVX512F,
    CpuidFeature::AVX512VL,
    CpuidFeature::AVX512_BF16,
    CpuidFeature::AVX512_BITALG,
    CpuidFeature::AVX512_FP16,
    CpuidFeature::AVX512_VBMI2,
    CpuidFeature::AVX512_VNNI,
    CpuidFeature::AVX512_VPOPCNTDQ,
    CpuidFeature::AVX_VNNI,
    CpuidFeature::BMI1,
    CpuidFeature::BMI2,
    CpuidFeature::F16C,
    CpuidFeature::FMA,
    CpuidFeature::FMA4,
    CpuidFeature::GFNI,
    CpuidFeature::MOVBE,
    CpuidFeature::PCLMULQDQ,
    CpuidFeature::POPCNT,
    CpuidFeature::RDRAND,
    CpuidFeature::RDSEED,
    CpuidFeature::RTM,
    CpuidFeature::SSE4A,
    CpuidFeature::SSE4_1,
    CpuidFeature::SSE4_2,
    CpuidFeature::SSSE3,
    CpuidFeature::TBM,
    CpuidFeature::VAES,
    CpuidFeature::VPCLMULQDQ,
    CpuidFeature::XOP,
];

/// In Linux's words.
pub fn needed(instruction: &Instruction) -> Vec<String> {
    let features = instruction.cpuid_features().iter();
    let name = |feature: &CpuidFeature| {
        let other = NAMES.iter().find(|(known, _)| known == feature);
        match other {
            Some((_, name)) => Some((*name).to_string()),
            None => SAME.contains(feature).then(|| format!("{feature:?}").to_lowercase()),
        }
    };
    features.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions};

    use super::needed;

    #[test]
    fn in_the_words_of_linux() {
        let of = |code: &[u8]| needed(&Decoder::new(64, code, DecoderOptions::NONE).decode());
        assert_eq!(of(&[0x0f, 0x0f, 0xc0, 0x9e]), ["3dnow"], "pfadd mm0, mm0");
        assert_eq!(of(&[0xc5, 0xfd, 0xfe, 0xc0]), ["avx2"], "vpaddd ymm0, ymm0, ymm0");
        assert_eq!(
            of(&[0x62, 0xf1, 0x7d, 0x48, 0xfe, 0xc0]),
            ["avx512f"],
            "vpaddd zmm0, zmm0, zmm0"
        );
        assert_eq!(of(&[0x48, 0x89, 0xc3]), [""; 0], "mov rbx, rax");
    }
}
