import FoundationEssentials
import SimplonCore
import SimplonPostgres
import Testing

@Suite(.timeLimit(.minutes(1))) struct JSONValueTests {
  private struct Order: Codable, Equatable {
    struct Line: Codable, Equatable {
      var id: UUID
      var price: Decimal
    }
    var number: Int64
    var big: UInt64
    var lines: [Line]
    var note: String?
    var byName: [String: Int]
    var kind: Kind
    enum Kind: Codable, Equatable { case open, closed(by: String) }
  }

  private struct Exact: Decodable, Equatable { var n: Int64 }
  private struct Money: Decodable { var n: Decimal }

  @Test func `a Codable goes there and back`() async throws {
    let order = Order(
      number: .max, big: .max,
      lines: [.init(id: UUID(), price: try #require(Decimal(string: "12345678901234567890.0123456789")))],
      note: nil, byName: ["a": -1], kind: .closed(by: "me"))
    try await withClient { client in
      let row = try await client.query("select \(PostgresJSON(order))")[0]
      #expect(try row.decode(PostgresJSON<Order>.self).value == order)
    }
  }

  @Test(arguments: ["9223372036854775808", "1.5", "\"1\"", "1e400", "true", "null", "[1]"])
  func `what is no such integer is refused`(text: String) async throws {
    try await withClient { client in
      let row = try await client.query("select \("{\"n\": \(text)}")::json")[0]
      await expect(.databaseDecoding) { _ = try row.decode(PostgresJSON<Exact>.self) }
    }
  }

  @Test func `a decimal keeps every digit or is refused`() async throws {
    try await withClient { client in
      let row = try await client.query(
        "select '{\"n\": 0.12345678901234567890123456789012345678}'::jsonb, '{\"n\": 0.123456789012345678901234567890123456789}'::jsonb"
      )[0]
      #expect(throws: SimplonError.self) { try row.decode(PostgresJSON<Money>.self, PostgresJSON<Money>.self) }
      let numeric = try await client.query("select '{\"n\": 9007199254740993}'::jsonb, '[0.1]'::jsonb")[0]
      let (exact, tenth) = try numeric.decode(PostgresJSON<Exact>.self, PostgresJSON<[Decimal]>.self)
      #expect(exact.value.n == 9_007_199_254_740_993 && tenth.value[0].description == "0.1")
    }
  }
}
