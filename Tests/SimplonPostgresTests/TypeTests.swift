import FoundationEssentials
import SimplonCore
import SimplonPostgres
import Testing

/// A value that is sent, compared by the server with its own reading of `text`, and read back.
private func roundTrip<Value: PostgresEncodable & PostgresDecodable & Equatable>(
  _ values: [(Value, String)], as type: String, sourceLocation: SourceLocation = #_sourceLocation
) async throws {
  try await withClient { client in
    for (value, text) in values {
      let row = try await client.query(
        "select \(value)::\(unsafeSQL: type), (\(value)::\(unsafeSQL: type))::text, \(text)::\(unsafeSQL: type)")[0]
      let (back, spelled, parsed) = try row.decode(Value.self, String?.self, Value.self)
      #expect(back == value, sourceLocation: sourceLocation)
      #expect(spelled == text, sourceLocation: sourceLocation)
      #expect(parsed == value, sourceLocation: sourceLocation)
      let list = try await client.query("select \([value, value]), array[\(value)::\(unsafeSQL: type)]")[0]
      if Value.postgresArrayType != .unspecified {
        let (two, one) = try list.decode([Value].self, [Value].self)
        #expect(two == [value, value] && one == [value], sourceLocation: sourceLocation)
      }
    }
  }
}

@Suite(.timeLimit(.minutes(1))) struct TypeTests {
  @Test func `integers at their limits`() async throws {
    try await roundTrip([(Int16.min, "-32768"), (0, "0"), (.max, "32767")], as: "int2")
    try await roundTrip([(Int32.min, "-2147483648"), (.max, "2147483647")], as: "int4")
    try await roundTrip([(Int64.min, "-9223372036854775808"), (.max, "9223372036854775807")], as: "int8")
    try await roundTrip([(Int.min, "-9223372036854775808"), (.max, "9223372036854775807")], as: "int8")
  }

  @Test func `floating point numbers bit by bit`() async throws {
    try await roundTrip(
      [
        (0.1, "0.1"), (.infinity, "Infinity"), (-.infinity, "-Infinity"), (.leastNonzeroMagnitude, "5e-324"),
        (-0.0, "-0"),
      ], as: "float8")
    try await roundTrip([(Float(0.1), "0.1"), (.greatestFiniteMagnitude, "3.4028235e+38")], as: "float4")
  }

  @Test func `truth and ids and bytes`() async throws {
    try await roundTrip([(true, "true"), (false, "false")], as: "bool")
    let id = try #require(UUID(uuidString: "0192f8a0-0000-7000-8000-00000000ffff"))
    try await roundTrip([(id, "0192f8a0-0000-7000-8000-00000000ffff")], as: "uuid")
    try await roundTrip([([UInt8](), "\\x"), ([0, 255, 39, 92], "\\x00ff275c")], as: "bytea")
  }

  @Test func `texts in every script`() async throws {
    try await roundTrip([("", ""), ("naïve 日本 👩‍👩‍👧", "naïve 日本 👩‍👩‍👧"), ("a\"b\\c{},NULL", "a\"b\\c{},NULL")], as: "text")
  }

  @Test func `numerics to the last digit`() async throws {
    let texts = [
      "0", "0.00", "1", "-1", "10000", "100000000", "0.0001", "0.00010", "123456789012345678901234567890.123456789",
      "-0.5", "NaN", "Infinity", "-Infinity", "9999.9999", String(repeating: "9", count: 500) + ".25",
      "0." + String(repeating: "0", count: 999) + "1",
    ]
    try await roundTrip(try texts.map { (try #require(PostgresNumeric($0)), $0) }, as: "numeric")
    for text in ["", ".", "-", "1e5", "abc", "1.2.3", " 1", "0x10"] { #expect(PostgresNumeric(text) == nil) }
  }

  @Test func `moments to the microsecond`() async throws {
    try await withClient { client in
      for text in [
        "2026-11-20T23:16:00.123456Z", "1970-01-01T00:00:00.000000Z", "1969-12-31T23:59:59.999999Z",
        "2000-02-29T12:00:00.000001Z", "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "infinity",
        "-infinity",
      ] {
        let row = try await client.query("select \(text)::timestamptz, \(text)::timestamptz")[0]
        let (moment, spelled) = try row.decode(PostgresTimestamp.self, String.self)
        #expect(moment.description == text && spelled == text)
        let back = try await client.query("select \(moment) = \(text)::timestamptz")[0].decode(Bool.self)
        #expect(back)
      }
      let zero = try await client.query("select '1970-01-02'::date, '1970-01-01 00:00:01'::timestamp")[0]
      let (day, second) = try zero.decode(PostgresTimestamp.self, PostgresTimestamp.self)
      #expect(day.microsecondsSince1970 == 86_400_000_000 && second.microsecondsSince1970 == 1_000_000)
      #expect(PostgresTimestamp(microsecondsSince1970: 1_000_000) == second)
      let ends = try await client.query(
        "select '4713-01-01 BC'::timestamptz, '294276-12-31 23:59:59.999999Z'::timestamptz")
      let (first, last) = try ends[0].decode(PostgresTimestamp.self, PostgresTimestamp.self)
      #expect(first.description == "-4712-01-01T00:00:00.000000Z" && first < last)
      #expect(last.description == "294276-12-31T23:59:59.999999Z")
      await expect(.databaseQuery) {
        try await client.query("select \(PostgresTimestamp(microsecondsSince2000: .min + 1))")
      }
      #expect(try await client.query("select \(last)")[0].decode(PostgresTimestamp.self) == last)
      let far = try await client.query("select '5874897-12-31'::date, 'infinity'::date")[0]
      await expect(.databaseDecoding) { _ = try far.decode(PostgresTimestamp.self, PostgresTimestamp.self) }
    }
  }

  @Test func `days, times of day and intervals as the server keeps them`() async throws {
    let days = [("2000-01-01", Int32(0)), ("1999-12-31", -1), ("2026-11-20", 9820), ("5874897-12-31", 2_145_031_948)]
    try await roundTrip(days.map { (PostgresDate(daysSince2000: $0.1), $0.0) }, as: "date")
    try await roundTrip([(PostgresDate.infinity, "infinity"), (.minusInfinity, "-infinity")], as: "date")
    try await roundTrip(
      [("00:00:00", 0), ("23:16:00.123456", 83_760_123_456), ("24:00:00", 86_400_000_000)].map {
        (PostgresTime(microseconds: $0.1), $0.0)
      }, as: "time")
    try await roundTrip(
      [
        (PostgresInterval(), "00:00:00"),
        (PostgresInterval(months: 14, days: -3, microseconds: 5), "1 year 2 mons -3 days +00:00:00.000005"),
        (PostgresInterval(months: -1), "-1 mons"), (PostgresInterval(microseconds: -90_000_000), "-00:01:30"),
        (PostgresInterval(days: 1), "1 day"), (PostgresInterval(microseconds: 86_400_000_000), "24:00:00"),
      ], as: "interval")
    #expect(PostgresInterval(microseconds: 90_000_001).duration == .microseconds(90_000_001))
    #expect(PostgresInterval(days: 1).duration == nil && PostgresInterval(months: 1).duration == nil)
    #expect(PostgresDate(daysSince2000: -1) < PostgresDate(daysSince2000: 0) && PostgresDate.minusInfinity < .infinity)
    #expect(PostgresTime(microseconds: 1) < PostgresTime(microseconds: 2))
  }

  @Test func `days and times of day are told as ISO 8601, and a bound day is no other in another zone`() async throws {
    try await withClient { client in
      let row = try await client.query("select '2026-11-20'::date, '4713-01-01 BC'::date, '23:16'::time, '24:00'::time")
      let (one, two, three, four) = try row[0].decode(String.self, String.self, String.self, String.self)
      #expect([one, two, three, four] == ["2026-11-20", "-4712-01-01", "23:16:00.000000", "24:00:00.000000"])
      let (day, first, time, last) = try row[0].decode(
        PostgresDate.self, PostgresDate.self, PostgresTime.self, PostgresTime.self)
      #expect(["\(day)", "\(first)", "\(time)", "\(last)"] == [one, two, three, four])
      #expect("\(PostgresDate.infinity) \(PostgresDate.minusInfinity)" == "infinity -infinity")
      try await client.query("create table born (day date, at time, span interval)")
      try await client.withConnection { connection in
        try await connection.execute(unsafeSQL: "set timezone = 'Pacific/Kiritimati'")
        try await connection.query("insert into born values (\(day), \(time), \(PostgresInterval(days: 7)))")
      }
      let kept = try await client.query("select concat_ws(' ', day, at, span) from born")
      #expect(try kept[0].decode(String.self) == "2026-11-20 23:16:00 7 days")
      await expect(.databaseQuery) { try await client.query("select \(PostgresTime(microseconds: -1))") }
    }
  }

  @Test(arguments: [
    ("inet", "192.168.0.1/24"), ("cidr", "10.0.0.0/8"), ("macaddr", "08:00:2b:01:02:03"), ("timetz", "12:30:00+02"),
    ("money", "$12.30"), ("bit(3)", "101"), ("varbit", "101"), ("point", "(1,2)"), ("int4range", "[1,5)"),
    ("tsvector", "'a' 'b'"), ("jsonpath", "$.\"a\""), ("interval", "7 days"), ("regclass", "pg_class"),
  ])
  func `what no text can read is cast, both ways`(_ type: String, _ text: String) async throws {
    try await withClient { client in
      let value = try await client.query("select \(text)::\(unsafeSQL: type)")
      let error = #expect(throws: SimplonError.self) { try value[0].decode(String.self) }
      #expect(error?.code == .databaseDecoding && error?.hint?.contains("::text") == true)
      let cast = try await client.query("select (\(text)::\(unsafeSQL: type))::text")
      #expect(try cast[0].decode(String.self) == text)
    }
  }

  @Test func `JSON keeps its numbers`() async throws {
    try await withClient { client in
      let text = #"{"n": 12345678901234567890.12345678901234567890, "s": "\u20ac", "z": [1, null]}"#
      let row = try await client.query("select \(text)::jsonb, \(text)::jsonb, \(text)::json")[0]
      let (json, handed, asText) = try row.decode(JSON.self, PostgresJSONText.self, String.self)
      #expect(json["n"] == .number("12345678901234567890.12345678901234567890"))
      #expect(json["z"] == [1, nil] && json["s"] == "€")
      #expect(handed.text.contains("12345678901234567890.12345678901234567890") && asText == text)
      let back = try await client.query("select \(json) = \(handed), \(json)::jsonb = \(text)::jsonb")[0]
      let (isSame, isEqual) = try back.decode(Bool.self, Bool.self)
      #expect(isSame && isEqual)
      #expect(try await client.query("select \([json, [1]])")[0].decode([JSON].self) == [json, [1]])
    }
  }

  private enum Mood: String, PostgresEncodable, PostgresDecodable { case happy, sad }

  @Test func `enums are their labels`() async throws {
    try await withClient { client in
      try await client.query("create type mood as enum ('happy', 'sad', 'odd')")
      let row = try await client.query("select \(Mood.sad)::mood, \(Mood.happy)::text, array['sad','happy']::mood[]")[0]
      let (sad, happy, both) = try row.decode(Mood.self, Mood.self, [Mood].self)
      #expect(sad == .sad && happy == .happy && both == [.sad, .happy])
      try await client.query("create table moods (mood mood)")
      try await client.query("insert into moods values (\(Mood.happy)), (\("odd"))")
      let rows = try await client.query(
        "select mood from moods where mood = any(\([Mood.happy, .sad])::text[]::mood[])")
      #expect(try rows.map { try $0.decode(Mood.self) } == [.happy])
      let odd = try await client.query("select mood from moods where mood = 'odd'")
      await expect(.databaseDecoding) { _ = try odd[0].decode(Mood.self) }
    }
  }

  @Test func `arrays hold NULLs and may be empty`() async throws {
    try await withClient { client in
      let row = try await client.query(
        "select \([1, nil, 3] as [Int?]), \([String]()), array[null]::text[], \([true]), \([[1, 2], []] as [[UInt8]])")[
          0]
      let (numbers, empty, none, bools, blobs) = try row.decode(
        [Int?].self, [String].self, [String?].self, [Bool].self, [[UInt8]].self)
      #expect(numbers == [1, nil, 3] && empty.isEmpty && none == [nil] && bools == [true] && blobs == [[1, 2], []])
      await expect(.databaseDecoding) {
        _ = try row.decode([Int].self, [String].self, [String].self, [Bool].self, [[UInt8]].self)
      }
      // Read as one dimension, its four columns would be the length of a first item.
      let matrix = try await client.query("select array[[1,2,3,4]]")
      await expect(.databaseDecoding) { _ = try matrix[0].decode([Int].self) }
      await expect(.requestInvalid) { _ = try await client.query("select \([[1], [2]])") }
      let nothing = try await client.query("select \(nil as [Int]?)")
      #expect(try nothing[0].decode([Int]?.self) == nil)
    }
  }

  @Test func `a value that does not fit is an error that names the column`() async throws {
    try await withClient { client in
      let row = try await client.query("select 70000::int8 as big, null::text as none, 1.5::float8, 'x'::text")[0]
      let error = #expect(throws: SimplonError.self) { try row.decode("big", as: Int16.self) }
      #expect(error?.code == .databaseDecoding && error?.message.contains("\"big\"") == true)
      #expect(throws: SimplonError.self) { try row.decode("none", as: String.self) }
      #expect(throws: SimplonError.self) { try row.decode("missing", as: String.self) }
      #expect(throws: SimplonError.self) { try row.decode("float8", as: Int.self) }
      #expect(throws: SimplonError.self) { try row.decode("float8", as: String.self) }
      #expect(throws: SimplonError.self) { try row.decode("text", as: UUID.self) }
      #expect(throws: SimplonError.self) { try row.decode(Int.self) }
      #expect(try row.decode("big", as: Int32.self) == 70_000)
    }
  }

  @Test func `hostile bytes never trap`() {
    var generator = SystemRandomNumberGenerator()
    let types: [PostgresType] = [
      .bool, .int2, .int4, .int8, .oid, .float4, .float8, .text, .uuid, .numeric, .timestamptz, .date, .time, .interval,
      .jsonb, .json, .bytea, PostgresType(oid: 1016), PostgresType(oid: 1009), PostgresType(oid: 50_000),
    ]
    func decode<Value: PostgresDecodable>(_: Value.Type, _ bytes: [UInt8], _ type: PostgresType) {
      _ = try? Value(postgres: bytes.span.bytes, type: type)
    }
    for round in 0..<300 {
      var bytes = (0..<Int.random(in: 0...40)).map { _ in UInt8.random(in: 0...255, using: &generator) }
      if round % 2 == 0, bytes.count >= 20 {  // what an array of one dimension looks like
        bytes.replaceSubrange(0..<12, with: [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20])
        bytes.replaceSubrange(12..<15, with: round % 4 == 0 ? [0, 0, 0] : [127, 255, 255])
      }
      for type in types {
        decode(Int.self, bytes, type)
        decode(Int16.self, bytes, type)
        decode(UInt8.self, bytes, type)
        decode(Bool.self, bytes, type)
        decode(Double.self, bytes, type)
        decode(Float.self, bytes, type)
        decode(String.self, bytes, type)
        decode(UUID.self, bytes, type)
        decode(PostgresNumeric.self, bytes, type)
        decode(PostgresTimestamp.self, bytes, type)
        decode(PostgresDate.self, bytes, type)
        decode(PostgresTime.self, bytes, type)
        decode(PostgresInterval.self, bytes, type)
        decode(JSON.self, bytes, type)
        decode([UInt8].self, bytes, type)
        decode([Int?].self, bytes, type)
        decode([String].self, bytes, type)
      }
    }
  }
}
