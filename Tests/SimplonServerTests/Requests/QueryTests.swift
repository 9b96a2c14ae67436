import SimplonAgents
import SimplonCore
import Testing

@testable import SimplonServer

@Suite struct QueryTests {
  private static let route = Route(
    path: "/x", name: "x", tag: "x", summary: "x",
    shapes: [
      Shape(
        name: "X",
        fields: [
          Field(name: "text", kind: .text(maximum: 10), summary: ""),
          Field(name: "count", kind: .integer(0...9), summary: ""),
          Field(name: "flag", kind: .boolean, summary: ""),
          Field(name: "more", kind: .object(), summary: ""),
        ])
    ], answers: [], handler: .open { _ in .json([:]) })

  @Test func `values are form-decoded and take the declared kind`() throws {
    let members = try Query("text=a+b%2Bc%C3%A9&count=7&flag=true&more=%7B%22a%22%3A1%7D&other=x").members(
      of: Self.route)
    #expect(members == ["text": "a b+cé", "count": 7, "flag": true, "more": ["a": 1], "other": "x"])
  }

  @Test(arguments: ["a=%", "a=%4", "a=%zz", "a=%ff", "a=%00", "a=1&a=2", "a=1&%61=2"])
  func `a query that two readers could take differently is refused`(_ text: String) {
    #expect(throws: SimplonError.self) { try Query(text) }
  }

  @Test(arguments: ["count=x", "count=1.5", "count=99999999999999999999", "flag=yes", "more=%7B"])
  func `a value of another kind is refused`(_ text: String) throws {
    let query = try Query(text)
    #expect(throws: SimplonError.self) { try query.members(of: Self.route) }
  }

  @Test func `more than 64 fields are refused`() {
    let text = (0..<65).map { "f\($0)=" }.joined(separator: "&")
    #expect(throws: SimplonError.self) { try Query(text) }
  }

  @Test(arguments: [
    ("run_id=1&ticket=tkt_secret&after=2", "run_id=1&ticket=[redacted]&after=2"),
    ("%74icket=tkt_secret", "%74icket=[redacted]"),
    ("apikey=a=b", "apikey=[redacted]"),
    ("Ticket=tkt_secret", "Ticket=redacted"),
    ("t=tkt_secret&after=2", "t=redacted&after=2"),
    ("key=sb_secret_x", "key=redacted"),
    ("%zz=tkt_secret", "%zz=[redacted]"),
    ("a=1&&b", "a=1&&b"),
  ])
  func `secrets are blotted out however their name is written`(_ text: String, _ expected: String) {
    #expect(Query.redacted(text) == expected)
  }
}
