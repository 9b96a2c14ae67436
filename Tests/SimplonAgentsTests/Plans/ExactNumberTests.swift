import SimplonCore
import Testing

@testable import SimplonAgents

@Suite struct ExactNumberTests {
  @Test(arguments: [
    ("1", "1.0"), ("1e2", "100"), ("0", "-0.00"), ("0", "0e5"), ("-12.50", "-1.25e1"), ("0.001", "1E-3"),
    ("123456789012345678901234567890", "1234567890123456789012345678.9e2"), ("0.1", "0.10"),
  ])
  func `one value has many spellings`(one: String, two: String) throws {
    let one = JSON.number(one), two = JSON.number(two)
    #expect(try #require(ExactNumber(one)) == #require(ExactNumber(two)))
    #expect(one.isSame(as: two) && two.isSame(as: one))
  }

  @Test(arguments: [
    ("0", "1"), ("-1", "0"), ("-2", "-1"), ("-1", "1"), ("9", "10"), ("0.09", "0.1"), ("1e-9", "1"), ("99", "1e2"),
    ("9007199254740992", "9007199254740993"), ("0.1", "0.1000000000000000000000000000000000000000001"),
    ("9223372036854775807", "9223372036854775808"), ("-1e99", "-1e98"), ("12", "12.5"), ("-0.2", "-0.19"),
  ])
  func `order is exact`(less: String, more: String) throws {
    let less = try #require(ExactNumber(.number(less))), more = try #require(ExactNumber(.number(more)))
    #expect(less < more)
    #expect(!(more < less))
    #expect(less != more)
  }

  @Test(arguments: [("1.0", true), ("100e-2", true), ("0", true), ("1e3", true), ("1.5", false), ("1e-1", false)])
  func `an integer is one by value`(text: String, isInteger: Bool) throws {
    #expect(try #require(ExactNumber(.number(text))).isInteger == isInteger)
  }

  @Test func `what cannot be compared is no number`() {
    #expect(ExactNumber("1") == nil)
    #expect(ExactNumber(.null) == nil)
    #expect(ExactNumber(.number("1e99999999999")) == nil)
    #expect(ExactNumber(.number("1e-9999999999999999999999")) == nil)
  }

  @Test func `texts are equal by their code points`() {
    #expect(!JSON.string("\u{e9}").isSame(as: .string("e\u{301}")))
    #expect(JSON.object(["a": [1, nil]]).isSame(as: ["a": [.number("1.0"), nil]]))
    #expect(!JSON.object(["a": 1]).isSame(as: ["b": 1]))
    #expect(!JSON.array([1]).isSame(as: [1, 2]))
    #expect(!JSON.string("1").isSame(as: 1))
  }
}
