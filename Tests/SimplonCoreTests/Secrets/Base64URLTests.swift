import FoundationEssentials
import SimplonCore
import Testing

@Suite struct Base64URLTests {
  @Test func `any bytes come back, and the text is Foundation's`() {
    var generator = SystemRandomNumberGenerator()
    for count in 0..<300 {
      let bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
      let text = Base64URL.encode(bytes)
      let plain = Data(bytes).base64EncodedString().filter { $0 != "=" }
      #expect(text == String(plain.map { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 }))
      #expect(Base64URL.decode(text[...].utf8) == bytes)
    }
  }

  @Test(arguments: ["A", "AAAAA", "AA==", "AB", "AAB", "A+", "A/", "A A", "AA\n", "é"])
  func `a text that is not the one of its bytes is refused`(_ text: String) {
    #expect(Base64URL.decode(text[...].utf8) == nil)
  }
}
