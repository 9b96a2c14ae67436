extension Ticket {
  /// The text without tickets, keys and tokens, for URLs and log lines.
  ///
  /// What follows `ticket=`, `apikey=` or `token=` (`access_token=` too) becomes `redacted`, and so does, wherever it
  /// stands, what looks like a ticket or a secret key.
  package static func redact(_ text: String) -> String {
    let bytes = Array(text.utf8)
    var out = [UInt8]()
    out.reserveCapacity(bytes.count)
    var rest = bytes[...]
    while let byte = rest.first {
      let isInitial = initials.contains(byte | 0x20)
      if isInitial, let name = names.first(where: { starts(rest, with: $0) }) {
        out.append(contentsOf: rest.prefix(name.count))
        rest = rest.dropFirst(name.count)
      } else if !isInitial || !marks.contains(where: { starts(rest, with: $0) }) {
        out.append(byte)
        rest = rest.dropFirst()
        continue
      }
      out.append(contentsOf: "redacted".utf8)
      rest = rest.drop { !Self.ends.contains($0) }
    }
    return String(decoding: out, as: UTF8.self)
  }

  private static let names = ["ticket=", "apikey=", "token="].map { Array($0.utf8) }
  private static let marks = ["tkt_", "sb_secret_"].map { Array($0.utf8) }
  /// What they begin with: every request's line is searched, and nearly all of its bytes are none of these.
  private static let initials = Set((names + marks).compactMap(\.first))

  /// What ends a value in a URL or a log line.
  private static let ends = Set("&#;, \t\r\n\"'<>)]}".utf8)

  /// Whether the bytes start so, capital letters aside.
  private static func starts(_ bytes: ArraySlice<UInt8>, with mark: [UInt8]) -> Bool {
    bytes.prefix(mark.count).elementsEqual(mark) { byte, lower in
      byte == lower || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) && byte + 32 == lower
    }
  }
}
