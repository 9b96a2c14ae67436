import SimplonAgents
import SimplonCore

extension NetworkAddress {
  /// Reads an address as proxies write it, with or without a port or a zone; nil for anything else.
  init?(forwarded text: some StringProtocol) {
    var text = String(text).filter { $0 != " " && $0 != "\t" }
    if text.first == "[" {
      text = String(text.dropFirst().prefix { $0 != "]" })
    } else if text.utf8.count(where: { $0 == UInt8(ascii: ":") }) == 1 {
      text = String(text.prefix { $0 != ":" })
    }
    self.init(String(text.prefix { $0 != "%" }))
  }

  /// What shares a rate: the IPv4 address, or the first half of the IPv6 address, as one customer has all of the rest.
  var network: String { bytes.count == 4 ? description : bytes.prefix(8).hex }
}
