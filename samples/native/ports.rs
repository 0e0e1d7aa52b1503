//! A function in Rust that panics where it may not: a panic must not leave an `extern "C"` function, and aborts there.

#[no_mangle]
pub extern "C" fn ports_parse(length: usize) -> u16 {
    let text = "8080x";
    text[..length].parse::<u16>().unwrap()
}
