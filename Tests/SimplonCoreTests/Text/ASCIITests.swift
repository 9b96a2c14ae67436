import SimplonCore
import Testing

struct ASCIITests {
  @Test func `bytes are told apart as ASCII has them`() {
    func all(_ isOne: (UInt8) -> Bool) -> String { String(decoding: (0...255).filter(isOne), as: UTF8.self) }
    let small = "abcdefghijklmnopqrstuvwxyz"
    #expect(all(\.isDigit) == "0123456789")
    #expect(all(\.isLowercaseLetter) == small)
    #expect(all(\.isLetter) == small.uppercased() + small)
    #expect(all(\.isLowercaseHexDigit) == "0123456789abcdef")
  }

  @Test func `bytes become two hex digits each`() {
    #expect([UInt8]().hex == "")
    #expect([0x00, 0x0F, 0xA0, 0xFF].hex == "000fa0ff")
  }

  @Test func `all bytes but letters, digits and those to keep are percent-encoded`() {
    #expect(percentEncoded("azAZ09-._~ /?&=+%\n") == "azAZ09-._~%20%2F%3F%26%3D%2B%25%0A")
    #expect(percentEncoded("é日\0") == "%C3%A9%E6%97%A5%00")
    #expect(percentEncoded("a-b+c d", keeping: "+") == "a%2Db+c%20d")
    #expect(percentEncoded("") == "")
  }
}
