import SimplonCore

/// Hosts that may be called: `api.example.com`, `*.example.com` (every name below it), or `*`, each with or without
/// `:port`.
struct HostPattern: Sendable, Hashable {
  private enum Hosts: Hashable {
    case all
    case below(String)
    case one(String)
  }

  private let hosts: Hosts
  private let port: Int?

  /// Reads a pattern; nil when it is none.
  init?(_ text: String) {
    let text = text.lowercased()
    let host: String
    if let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") {
      guard let port = Int(text[text.index(after: colon)...]), (1...65_535).contains(port) else { return nil }
      self.port = port
      host = String(text[..<colon])
    } else {
      port = nil
      host = text
    }
    if host == "*" {
      hosts = .all
    } else if host.hasPrefix("*."), let name = EgressURL.host(String(host.dropFirst(2))) {
      hosts = .below(".\(name)")
    } else if let name = EgressURL.host(host) {
      hosts = .one(name)
    } else {
      return nil
    }
  }

  /// Whether it lets a URL through; without a port of its own it means the usual ones, 80 and 443.
  func matches(_ url: EgressURL) -> Bool {
    guard port.map({ $0 == url.port }) ?? (url.port == 80 || url.port == 443) else { return false }
    switch hosts {
    case .all: return true
    case .below(let suffix): return url.host.hasSuffix(suffix)
    case .one(let name): return url.host == name
    }
  }
}
