/// A time as JSON has it: `2026-11-20T23:16:00.5Z`, `2026-11-20T23:16:00+01:00`.
///
/// - Source: RFC 3339, section 5.6, for the years from 1970 on, and within what PostgreSQL takes.
package enum RFC3339 {
  /// Microseconds since 1970, further digits cut off; nil when the text is no such time.
  package static func microseconds(_ text: String) -> Int64? {
    var rest = text.utf8[...]
    guard rest.count <= 100, let year = number(&rest, digits: 4, in: 1970...9999), take(&rest, "-") != nil,
      let month = number(&rest, digits: 2, in: 1...12), take(&rest, "-") != nil,
      let day = number(&rest, digits: 2, in: 1...days(in: month, of: year)), take(&rest, "Tt") != nil,
      let hour = number(&rest, digits: 2, in: 0...23), take(&rest, ":") != nil,
      let minute = number(&rest, digits: 2, in: 0...59), take(&rest, ":") != nil,
      let second = number(&rest, digits: 2, in: 0...60), let fraction = fraction(&rest),
      let offset = offset(&rest), rest.isEmpty
    else { return nil }
    let minutes = (HTTPDate.days(year, month, day) * 24 + hour) * 60 + minute - offset
    let microseconds = Int64(minutes * 60 + second) * 1_000_000 + fraction
    return microseconds >= 0 ? microseconds : nil
  }

  private static func take(_ rest: inout Substring.UTF8View, _ choice: String) -> UInt8? {
    guard let byte = rest.first, choice.utf8.contains(byte) else { return nil }
    return rest.removeFirst()
  }

  private static func number(_ rest: inout Substring.UTF8View, digits: Int, in range: ClosedRange<Int>) -> Int? {
    var value = 0
    for _ in 0..<digits {
      guard let digit = take(&rest, "0123456789") else { return nil }
      value = value * 10 + Int(digit - 0x30)
    }
    return range.contains(value) ? value : nil
  }

  private static func fraction(_ rest: inout Substring.UTF8View) -> Int64? {
    guard take(&rest, ".") != nil else { return 0 }
    var value: Int64 = 0
    var unit: Int64 = 100_000
    var count = 0
    while let digit = take(&rest, "0123456789") {
      value += Int64(digit - 0x30) * unit
      unit /= 10
      count += 1
    }
    return count > 0 ? value : nil
  }

  /// Minutes east of Greenwich, less than 16 hours: PostgreSQL knows no others.
  private static func offset(_ rest: inout Substring.UTF8View) -> Int? {
    guard let sign = take(&rest, "Zz+-") else { return nil }
    guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") else { return 0 }
    guard let hours = number(&rest, digits: 2, in: 0...15), take(&rest, ":") != nil,
      let minutes = number(&rest, digits: 2, in: 0...59)
    else { return nil }
    return (hours * 60 + minutes) * (sign == UInt8(ascii: "-") ? -1 : 1)
  }

  private static func days(in month: Int, of year: Int) -> Int {
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    return month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
  }
}
