import FoundationEssentials
import SimplonCore

/// Where a request goes, read strictly: what two readers could understand in two ways is refused, and what is written in
/// several ways and means the same has one form, in which it is sent.
struct EgressURL: Sendable, Hashable {
  /// `http` or `https`.
  let scheme: String
  /// In lower case, an IPv6 address in brackets.
  let host: String
  let port: Int
  /// From the first slash on, a query included.
  let path: String

  /// The URL as it is sent, its port spelled out unless it is the scheme's own.
  var text: String { origin + path }

  /// Scheme, host and port: what credentials are for.
  var origin: String { "\(scheme)://\(host)" + (port == Self.usualPort(scheme) ? "" : ":\(port)") }

  /// The host, when it is an address and no name.
  var address: NetworkAddress? { NetworkAddress(host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host) }

  /// Reads an absolute URL.
  ///
  /// - Throws: `tool.input`; the message does not hold the URL, which may have a secret in it.
  init(_ text: String) throws(SimplonError) {
    func wrong(_ what: String) -> SimplonError { SimplonError(.toolInput, "the URL \(what)") }
    guard text.utf8.count <= 16_384 else { throw wrong("is longer than 16384 bytes") }
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !Self.unwise.contains($0) }) else {
      throw wrong("holds a character that must be percent-encoded, or in a host's name written in punycode")
    }
    guard let colon = text.firstRange(of: "://") else { throw wrong("must begin with http:// or https://") }
    let scheme = text[..<colon.lowerBound].lowercased()
    guard scheme == "http" || scheme == "https" else { throw wrong("must begin with http:// or https://") }
    let rest = text[colon.upperBound...]
    let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    guard !authority.contains("@") else {
      throw wrong("holds a login; send it as the header Authorization, best through a connector")
    }
    var name = String(authority)
    var port = Self.usualPort(scheme)
    if let colon = name.lastIndex(of: ":"), !name.hasSuffix("]") {
      let digits = name[name.index(after: colon)...]
      guard digits.utf8.allSatisfy(\.isDigit), let number = Int(digits), (1...65_535).contains(number) else {
        throw wrong("has a port that is none")
      }
      port = number
      name = String(name[..<colon])
    }
    guard let host = Self.host(name.lowercased()) else { throw wrong("has a host that is none") }
    let tail = rest[authority.endIndex...].prefix { $0 != "#" }
    // One that stands alone could become another with what is decoded behind it.
    guard tail.split(separator: "%", omittingEmptySubsequences: false).dropFirst().allSatisfy(Self.beginsWithByte)
    else {
      throw wrong("holds a % without two hexadecimal digits behind it; write %25")
    }
    self.scheme = scheme
    self.host = host
    self.port = port
    let place = tail.prefix { $0 != "?" }
    self.path = Self.resolved(place.isEmpty ? "/" : Self.decoded(place)) + Self.decoded(tail[place.endIndex...])
  }

  /// The same with names and values added to its query.
  func adding(_ query: [(name: String, value: String)]) throws(SimplonError) -> EgressURL {
    guard !query.isEmpty else { return self }
    let more = query.map { "\(percentEncoded($0.name))=\(percentEncoded($0.value))" }.joined(separator: "&")
    let joint = path.contains("?") ? (path.hasSuffix("?") || path.hasSuffix("&") ? "" : "&") : "?"
    return try EgressURL(text + joint + more)
  }

  /// Where a redirect from here leads.
  ///
  /// - Throws: `tool.egress` when that is nowhere.
  /// - Source: RFC 9110 §10.2.2, RFC 3986 §5.
  func resolving(_ location: String) throws(SimplonError) -> EgressURL {
    guard let base = URL(string: text), let url = URL(string: location, relativeTo: base) else {
      throw SimplonError(.toolEgress, "the server redirects to what is no URL")
    }
    do { return try EgressURL(url.absoluteString) } catch {
      throw SimplonError(.toolEgress, "the server redirects to where no request goes: \(error.message)", cause: error)
    }
  }

  /// A host's name as it is compared, without the dot that may end it; nil when it is none.
  static func host(_ text: String) -> String? {
    if text.hasPrefix("[") {
      guard text.hasSuffix("]"), let address = NetworkAddress(String(text.dropFirst().dropLast())) else { return nil }
      return address.bytes.count == 4 ? address.description : "[\(address)]"
    }
    let name = text.hasSuffix(".") ? String(text.dropLast()) : text
    guard !name.isEmpty, name.utf8.count <= 253, !name.hasPrefix("."), !name.contains("..") else { return nil }
    let isName = name.utf8.allSatisfy {
      $0.isLowercaseLetter || $0.isDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
        || $0 == UInt8(ascii: "_")
    }
    return isName ? name : nil
  }

  /// The ways in which servers may read the path: as it is asked and as the most lenient of them would, with everything
  /// decoded, one slash for several and nothing of a name behind a semicolon; each with the query and without.
  var readings: [String] {
    let place = path.prefix { $0 != "?" }
    let names = Self.decoded(place, all: true).split(separator: "/").map { $0.prefix { $0 != ";" } }
    let lenient = Self.resolved("/" + names.filter { !$0.isEmpty }.joined(separator: "/"))
    return [String(place), path, lenient, lenient + Self.decoded(path[place.endIndex...], all: true)]
  }

  private static func beginsWithByte(_ text: Substring) -> Bool {
    text.utf8.count >= 2 && text.prefix(2).allSatisfy(\.isHexDigit)
  }

  /// The text with what is percent-encoded decoded, all of it or what need not be encoded; what stays has capital digits.
  ///
  /// - Source: RFC 3986 §6.2.2.
  private static func decoded(_ text: Substring, all: Bool = false) -> String {
    var bytes = [UInt8]()
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      let digits = String(decoding: rest.prefix(2), as: UTF8.self)
      rest = rest.dropFirst(2)
      let meant = UInt8(digits, radix: 16) ?? 0
      let isPlain = all || meant.isLetter || meant.isDigit || "-._~".utf8.contains(meant)
      bytes += isPlain ? [meant] : Array("%\(digits.uppercased())".utf8)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The path without the names `.` and `..`.
  ///
  /// - Source: RFC 3986 §5.2.4.
  private static func resolved(_ path: String) -> String {
    var names = [Substring]()
    for name in path.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
      if name == ".." { _ = names.popLast() } else if name != "." { names.append(name) }
    }
    if path.hasSuffix("/.") || path.hasSuffix("/..") { names.append("") }
    return "/" + names.joined(separator: "/")
  }

  private static func usualPort(_ scheme: String) -> Int { scheme == "https" ? 443 : 80 }

  /// What RFC 3986 has no place for, and what some readers take for a slash.
  private static let unwise = Set("\"<>\\^`{|}".utf8)
}
