import SimplonCore
import Testing

struct JSONTests {
  @Test(arguments: [
    "null", "true", "[]", "{}", "0", "-0", "1e400", "123456789012345678901234567890.5", #""a\"\\\n""#,
    #"{"a":[1,{"b":null}],"c":"ü"}"#,
  ])
  func `what is read is written again, numbers to the digit`(text: String) throws {
    #expect(try JSON(parsing: text).text == text)
  }

  @Test func `members are written sorted, so equal values have equal text`() throws {
    #expect(try JSON(parsing: #"{"b":1,"a":2}"#).text == #"{"a":2,"b":1}"#)
    #expect(try JSON(parsing: #"{"b":1,"a":2}"#) == JSON(parsing: #" { "a" : 2 , "b" : 1 } "#))
  }

  @Test func `escapes are read, surrogate pairs too`() throws {
    #expect(try JSON(parsing: #""\u00fc\ud83d\ude00\/\t""#).string == "ü😀/\t")
  }

  @Test(arguments: [
    "", " ", "{", "[1,]", "{\"a\":1,}", "01", "1.", ".5", "+1", "nul", "'a'", "\"a", "\"\u{1}\"", "[1] 2", #""\x""#,
    #""\ud800""#, #""\udc00""#, #""\ud800\u0041""#, #"{"a":1,"a":2}"#, #""\u0000""#, "NaN", "1e", "--1", "{1:2}",
  ])
  func `what is not JSON, or not storable, is refused`(text: String) {
    let error = #expect(throws: SimplonError.self) { try JSON(parsing: text) }
    #expect(error?.code == .requestInvalid)
  }

  @Test(arguments: [
    "1e999", "1e1000", "-1e-2000", "1e99999999999999999999", "0.5e-996", String(repeating: "9", count: 1001),
  ])
  func `a number that would have more than a thousand digits is refused`(text: String) {
    #expect(throws: SimplonError.self) { try JSON(parsing: text) }
  }

  @Test func `a number that would have a thousand digits is read`() throws {
    for text in ["1e990", "1.5E-990", String(repeating: "9", count: 1000)] {
      #expect(try JSON(parsing: text) == .number(text))
    }
  }

  @Test func `exponents that stand for very many digits in all are refused`() throws {
    let many = { (number: String, count: Int) in
      "[" + Array(repeating: number, count: count).joined(separator: ",") + "]"
    }
    #expect(throws: SimplonError.self) { try JSON(parsing: many("1e990", 2000)) }
    #expect(try JSON(parsing: many("1.5e-7", 200_000)).array?.count == 200_000)
  }

  @Test func `bad UTF-8 is refused`() {
    #expect(throws: SimplonError.self) { try JSON(parsing: [0x22, 0xFF, 0x22]) }
    #expect(throws: SimplonError.self) { try JSON(parsing: [0x22, 0x5C, 0x6E, 0xFF, 0x22]) }
  }

  @Test func `deep nesting is refused, not a crash`() {
    #expect(throws: SimplonError.self) { try JSON(parsing: String(repeating: "[", count: 1_000_000)) }
    #expect(throws: Never.self) {
      try JSON(parsing: String(repeating: "[", count: 128) + String(repeating: "]", count: 128))
    }
  }

  @Test func `random bytes never trap`() {
    var generator = SplitMix(state: 7)
    let alphabet = Array("{}[]\",:0123456789.eE+-truefalsn\\u \u{7f}".utf8) + [0, 0xC3, 0xFF]
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0...24, using: &generator)).map { _ in
        alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
      }
      if let value = try? JSON(parsing: bytes) {
        #expect((try? JSON(parsing: value.utf8)) == value)
      }
    }
  }

  @Test func `integers are read exactly or not at all`() throws {
    #expect(try JSON(parsing: "9223372036854775807").integer == Int.max)
    #expect(try JSON(parsing: "9223372036854775808").integer == nil)
    #expect(try JSON(parsing: "1.0").integer == nil)
  }
}

/// A small seeded generator, so that a failing case can be repeated.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
