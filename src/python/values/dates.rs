//! The values of the module `datetime` (Modules/_datetimemodule.c).

use super::printer::{Printer, Subject};
use crate::addr::Addr;
use crate::source::MemoryExt;

/// `datetime.timedelta(days=1, seconds=2)` (`delta_repr`).
pub fn timedelta(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let (memory, offsets) = (printer.python.memory, &printer.python.layout.offsets.timedelta);
    let mut parts = Vec::new();
    for (name, field) in [
        ("days", offsets.days),
        ("seconds", offsets.seconds),
        ("microseconds", offsets.microseconds),
    ] {
        match memory.read_i32(field.of(subject.at)).ok()? {
            0 => {}
            value => parts.push(format!("{name}={value}")),
        }
    }
    let parts = if parts.is_empty() {
        "0".to_string()
    } else {
        parts.join(", ")
    };
    Some(format!("{}({parts})", subject.info.tp_name))
}

/// `datetime.date(2024, 2, 29)` (`date_repr`).
pub fn date(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let data = printer.python.layout.offsets.date.data.of(subject.at);
    let data = printer.python.memory.read_array::<4>(data).ok()?;
    let (year, month, day) = year_month_day(&data)?;
    Some(format!("{}({year}, {month}, {day})", subject.info.tp_name))
}

/// `datetime.datetime(2024, 2, 29, 12, 30)` (`datetime_repr`).
pub fn datetime(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let (memory, offsets) = (printer.python.memory, &printer.python.layout.offsets.datetime);
    let data = memory.read_array::<10>(offsets.data.of(subject.at)).ok()?;
    let (date, clock) = data.split_at(4);
    let (year, month, day) = year_month_day(date)?;
    let fields = [
        offsets.fold.of(subject.at),
        offsets.has_timezone.of(subject.at),
        offsets.timezone.of(subject.at),
    ];
    let [clock, fold, zone] = clock_fold_zone(printer, clock, fields)?;
    let name = &subject.info.tp_name;
    Some(format!("{name}({year}, {month}, {day}, {clock}{fold}{zone})"))
}

/// `datetime.time(12, 30)` (`time_repr`).
pub fn time(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let (memory, offsets) = (printer.python.memory, &printer.python.layout.offsets.time);
    let clock = memory.read_array::<6>(offsets.data.of(subject.at)).ok()?;
    let fields = [
        offsets.fold.of(subject.at),
        offsets.has_timezone.of(subject.at),
        offsets.timezone.of(subject.at),
    ];
    let [clock, fold, zone] = clock_fold_zone(printer, &clock, fields)?;
    Some(format!("{}({clock}{zone}{fold})", subject.info.tp_name))
}

/// Two bytes of the year, most significant first, then month and day.
fn year_month_day(data: &[u8]) -> Option<(u16, u8, u8)> {
    let [high, low, month, day] = *data else { return None };
    let is_sound = (1..=12).contains(&month) && (1..=31).contains(&day);
    is_sound.then_some((u16::from_be_bytes([high, low]), month, day))
}

/// Hour, minute, second and three bytes of microseconds; trailing zeros are left out. `fields` are the addresses of
/// fold, `hastzinfo` and `tzinfo`, the last of which exists only where the second is set.
fn clock_fold_zone(printer: &mut Printer<'_, '_>, clock: &[u8], fields: [Addr; 3]) -> Option<[String; 3]> {
    let [hour, minute, second, high, middle, low] = *clock else {
        return None;
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let microsecond = u32::from_be_bytes([0, high, middle, low]);
    let mut text = format!("{hour}, {minute}");
    match (second, microsecond) {
        (0, 0) => {}
        (_, 0) => text.push_str(&format!(", {second}")),
        _ => text.push_str(&format!(", {second}, {microsecond}")),
    }
    let [fold, has_timezone, timezone] = fields;
    let fold = match printer.python.memory.read_u8(fold).ok()? {
        0 => "",
        _ => ", fold=1",
    };
    let mut zone = String::new();
    if printer.python.memory.read_u8(has_timezone).ok()? != 0 {
        let timezone = printer.python.memory.read_addr(timezone).ok()?;
        zone = format!(", tzinfo={}", printer.repr(timezone));
    }
    Some([text, fold.to_string(), zone])
}

/// `datetime.timezone.utc`, `datetime.timezone(datetime.timedelta(seconds=3600), 'CET')` (`timezone_repr`).
pub fn timezone(printer: &mut Printer<'_, '_>, subject: Subject<'_>) -> Option<String> {
    let python = printer.python;
    let offsets = &python.layout.offsets.timezone;
    let offset = python.read_or_null(offsets.offset.of(subject.at));
    let name = python.read_or_null(offsets.name.of(subject.at));
    let type_name = &subject.info.tp_name;
    let offset_text = printer.repr(offset);
    // There is one zone without a name and an offset (`new_timezone`).
    if name.is_null() && offset_text == "datetime.timedelta(0)" {
        return Some(format!("{type_name}.utc"));
    }
    Some(match name.is_null() {
        true => format!("{type_name}({offset_text})"),
        false => format!("{type_name}({offset_text}, {})", printer.repr(name)),
    })
}
