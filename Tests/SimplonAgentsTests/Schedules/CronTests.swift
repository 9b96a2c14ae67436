import SimplonCore
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1))) struct CronTests {
  @Test func `fields are read with names, ranges, steps and lists`() throws {
    let cron = try Cron("*/20 9-17/4,23 1,15 jan-MAR,dec mon-fri")
    #expect(cron.minutes == [0, 20, 40] && cron.hours == [9, 13, 17, 23] && cron.days == [1, 15])
    #expect(cron.months == [1, 2, 3, 12] && cron.weekdays == [1, 2, 3, 4, 5])
    #expect(cron.isEitherDay && !cron.isAnyHour)
    let sundays = try Cron("  5\t*/2 * *  7,sun")
    #expect(sundays.weekdays == [0] && sundays.isAnyHour && !sundays.isEitherDay && sundays.days.count == 31)
  }

  @Test(arguments: [
    "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * 0 *",
    "* * * * 8", "5-1 * * * *", "*/0 * * * *", "*/60 * * * *", "5/2 * * * *", "1,,2 * * * *", ", * * * *", "- * * * *",
    "1-2-3 * * * *", "*/2/3 * * * *", "-1 * * * *", "+1 * * * *", "1.5 * * * *", "mon * * * *", "* * * monday *",
    "@daily", "99999999999999999999 * * * *", "\u{664} * * * *", "*1 * * * *", "/5 * * * *",
  ])
  func `what is no cron is refused by the field`(_ text: String) {
    let error = #expect(throws: SimplonError.self) { try Cron(text) }
    #expect(error?.code == .requestInvalid && error?.details?["field"] == "cron")
  }

  /// Each of the moments that follow, one after the other.
  private func moments(_ cron: String, _ zone: String, after: String, _ count: Int) async throws -> [String?] {
    let fields = try Cron(cron).json.text
    return try await withTestDatabase { database in
      try await database.execute(
        """
        with recursive due (at, number) as (
          select simplon.next_cron('\(fields)', '\(zone)', '\(after)'), 1
          union all
          select simplon.next_cron('\(fields)', '\(zone)', at), number + 1 from due where number < \(count))
        select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI') from due order by number
        """)
    }
  }

  @Test(
    arguments: [
      // Clocks in New York go from 02:00 to 03:00: what is left out is taken by the offset before.
      ("30 2 * * *", "America/New_York", "2026-03-07T12:00Z", ["2026-03-08T07:30", "2026-03-09T06:30"]),
      (
        "*/30 * * * *", "America/New_York", "2026-03-08T06:15Z",
        ["2026-03-08T06:30", "2026-03-08T07:00", "2026-03-08T07:30"]
      ),
      // And from 02:00 back to 01:00: a fixed time is the first of both, any hour is each of them.
      ("30 1 * * *", "America/New_York", "2026-10-31T12:00Z", ["2026-11-01T05:30", "2026-11-02T06:30"]),
      (
        "*/30 * * * *", "America/New_York", "2026-11-01T04:45Z",
        ["2026-11-01T05:00", "2026-11-01T05:30", "2026-11-01T06:00", "2026-11-01T06:30", "2026-11-01T07:00"]
      ),
      ("0 9 * * *", "Europe/Zurich", "2026-03-28T12:00Z", ["2026-03-29T07:00", "2026-03-30T07:00"]),
      ("0 9 * * *", "Europe/Zurich", "2026-10-24T12:00Z", ["2026-10-25T08:00", "2026-10-26T08:00"]),
      // Half an hour, and at midnight.
      ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00Z", ["2026-10-03T15:45", "2026-10-04T15:15"]),
      ("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00Z", ["2018-11-04T03:00", "2018-11-05T02:00"]),
      // Calendars.
      ("0 0 29 2 *", "UTC", "2026-01-01T00:00Z", ["2028-02-29T00:00", "2032-02-29T00:00"]),
      ("0 0 29 2 *", "UTC", "2096-03-01T00:00Z", ["2104-02-29T00:00"]),
      ("0 0 31 * *", "UTC", "2026-01-31T00:00Z", ["2026-03-31T00:00", "2026-05-31T00:00"]),
      ("59 23 28-31 2 *", "UTC", "2026-02-28T00:00Z", ["2026-02-28T23:59", "2027-02-28T23:59"]),
      ("0 0 13 * fri", "UTC", "2026-02-01T00:00Z", ["2026-02-06T00:00", "2026-02-13T00:00", "2026-02-20T00:00"]),
      ("0 0 */2 * fri", "UTC", "2026-02-01T00:00Z", ["2026-02-13T00:00", "2026-02-27T00:00"]),
      ("* * * * *", "Asia/Kathmandu", "2026-12-31T18:14:59Z", ["2026-12-31T18:15", "2026-12-31T18:16"]),
      ("0 0 1 1 *", "Pacific/Kiritimati", "2026-12-31T09:59:59Z", ["2026-12-31T10:00", "2027-12-31T10:00"]),
    ] as [(String, String, String, [String])])
  func `times of cron are those of the zone's clock`(
    _ cron: String, _ zone: String, _ after: String, _ expected: [String]
  ) async throws {
    let found = try await moments(cron, zone, after: after, expected.count)
    #expect(found == expected.map(Optional.some))
  }

  @Test(arguments: ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *"])
  func `what no calendar has is never due`(_ cron: String) async throws {
    let found = try await moments(cron, "UTC", after: "2026-01-01T00:00Z", 1)
    #expect(found == [nil])
  }
}
