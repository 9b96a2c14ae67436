package import SimplonCore

/// When something is due, in the five fields of cron: minute, hour, day of the month, month, day of the week.
///
/// A field is `*`, a number, a range, or a list of these; `/n` takes every nth of a range or of all. Months and days of
/// the week have names of three letters, and Sunday is 0 or 7. Where both days are restricted, either will do.
/// - Source: crontab(5) of Vixie's cron.
package struct Cron: Sendable, Hashable {
  let minutes: [Int]
  let hours: [Int]
  let days: [Int]
  let months: [Int]
  let weekdays: [Int]
  /// Whether the hour begins with `*`: a time that comes twice, as clocks go back, is then meant twice.
  let isAnyHour: Bool
  /// Whether both days are restricted.
  let isEitherDay: Bool

  private static let monthNames = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
  ]
  private static let weekdayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

  /// Reads the five fields.
  ///
  /// - Throws: `request.invalid`, naming the field that is wrong.
  package init(_ text: String) throws(SimplonError) {
    let parts = text.split { $0 == " " || $0 == "\t" }
    guard text.utf8.count <= 1000, parts.count == 5 else {
      throw Self.wrong("must have five fields: minute, hour, day of the month, month, day of the week")
    }
    minutes = try Self.values(of: parts[0], "minute", in: 0...59)
    hours = try Self.values(of: parts[1], "hour", in: 0...23)
    days = try Self.values(of: parts[2], "day of the month", in: 1...31)
    months = try Self.values(of: parts[3], "month", in: 1...12, names: Self.monthNames)
    let named = try Self.values(of: parts[4], "day of the week", in: 0...7, names: Self.weekdayNames)
    weekdays = Set(named.map { $0 % 7 }).sorted()
    isAnyHour = parts[1].hasPrefix("*")
    isEitherDay = !parts[2].hasPrefix("*") && !parts[4].hasPrefix("*")
  }

  /// The numbers, as the database takes them.
  package var json: JSON {
    func array(_ numbers: [Int]) -> JSON { .array(numbers.map { .integer($0) }) }
    return [
      "minute": array(minutes), "hour": array(hours), "day": array(days), "month": array(months),
      "weekday": array(weekdays), "any_hour": .bool(isAnyHour), "either_day": .bool(isEitherDay),
    ]
  }

  private static func values(
    of field: Substring, _ name: String, in range: ClosedRange<Int>, names: [String] = []
  ) throws(SimplonError) -> [Int] {
    var values = Set<Int>()
    for item in field.split(separator: ",", omittingEmptySubsequences: false) {
      let parts = item.split(separator: "/", omittingEmptySubsequences: false)
      guard let span = parts.first, parts.count <= 2, let ends = bounds(of: span, in: range, names: names) else {
        throw wrong("has no \(name) in \"\(item.prefix(40))\"; it goes from \(range.lowerBound) to \(range.upperBound)")
      }
      var step = 1
      if parts.count == 2 {
        guard span == "*" || span.contains("-"), let given = number(parts[1], names: [], from: 0),
          (1...range.upperBound).contains(given)
        else { throw wrong("has a step in \"\(item.prefix(40))\" that is none: write */5 or 10-30/5") }
        step = given
      }
      values.formUnion(stride(from: ends.lowerBound, through: ends.upperBound, by: step))
    }
    return values.sorted()
  }

  private static func bounds(
    of span: Substring, in range: ClosedRange<Int>, names: [String]
  ) -> ClosedRange<Int>? {
    if span == "*" { return range }
    let ends = span.split(separator: "-", omittingEmptySubsequences: false)
    let numbers = ends.compactMap { number($0, names: names, from: range.lowerBound) }
    guard ends.count <= 2, numbers.count == ends.count, let low = numbers.first, let high = numbers.last,
      low <= high, range.contains(low), range.contains(high)
    else { return nil }
    return low...high
  }

  private static func number(_ text: Substring, names: [String], from first: Int) -> Int? {
    if let index = names.firstIndex(of: text.lowercased()) { return index + first }
    guard (1...3).contains(text.utf8.count), text.utf8.allSatisfy(\.isDigit) else { return nil }
    return Int(text)
  }

  private static func wrong(_ what: String) -> SimplonError {
    SimplonError(.requestInvalid, "\"cron\" \(what)", details: ["field": "cron"])
  }
}
