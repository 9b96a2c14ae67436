package import SimplonCore

/// Where the tools of this installation may send requests: the operator's list of hosts, and whether private networks
/// are open to them.
package struct EgressRules: Sendable {
  private let patterns: [HostPattern]
  private let allowsPrivate: Bool
  private let allowsAllHosts: Bool

  /// Makes rules; without patterns no host may be called.
  ///
  /// - Parameters:
  ///   - patterns: such as `api.example.com`, `*.example.com`, `*`, each with or without `:port`.
  ///   - allowsPrivate: whether names may lead to this machine and to private networks.
  /// - Throws: `config.invalid` for what is no pattern.
  package init(_ patterns: [String], allowsPrivate: Bool = false) throws(SimplonError) {
    var read = [HostPattern]()
    for text in patterns {
      guard let pattern = HostPattern(text) else {
        throw SimplonError(
          .configInvalid, "SIMPLON_EGRESS_ALLOW has \"\(text.prefix(80))\", and each must be a host",
          hint: "Write api.example.com, *.example.com or *, each with or without :port.",
          details: ["key": "SIMPLON_EGRESS_ALLOW"])
      }
      read.append(pattern)
    }
    self.init(patterns: read, allowsPrivate: allowsPrivate)
  }

  /// Rules that let nothing through.
  package static let closed = EgressRules(patterns: [], allowsPrivate: false)

  /// Rules that let every host and port through, for what goes out by itself; addresses are judged as ever.
  package static func anywhere(allowsPrivate: Bool) -> EgressRules {
    EgressRules(patterns: [], allowsPrivate: allowsPrivate, allowsAllHosts: true)
  }

  private init(patterns: [HostPattern], allowsPrivate: Bool, allowsAllHosts: Bool = false) {
    self.patterns = patterns
    self.allowsPrivate = allowsPrivate
    self.allowsAllHosts = allowsAllHosts
  }

  /// Refuses a URL whose host is not on the list.
  ///
  /// - Throws: `tool.egress`.
  func check(_ url: EgressURL) throws(SimplonError) {
    guard !allowsAllHosts else { return }
    guard !patterns.isEmpty else {
      throw SimplonError(
        .toolEgress, "no host may be called from here", hint: "The operator lists hosts in SIMPLON_EGRESS_ALLOW.")
    }
    guard patterns.contains(where: { $0.matches(url) }) else {
      throw SimplonError(
        .toolEgress, "\(url.host) may not be called on port \(url.port)",
        hint: "The operator lists hosts in SIMPLON_EGRESS_ALLOW; ports other than 80 and 443 are named there.")
    }
  }

  /// Those of a host's addresses that a request may go to, in their order.
  ///
  /// With `insideToo` private networks are open to this one request at any rate.
  ///
  /// - Throws: `tool.egress` when there are none; the message does not tell the addresses.
  func open(_ addresses: [NetworkAddress], of host: String, insideToo: Bool) throws(SimplonError) -> [NetworkAddress] {
    let own = ownAddresses()
    let verdicts = addresses.map { address in
      let verdict = AddressRules.verdict(on: address)
      return verdict == .open && own.contains(address) ? .inside : verdict
    }
    let open = zip(addresses, verdicts).filter { $1 == .open || ($1 == .inside && (insideToo || allowsPrivate)) }
    guard open.isEmpty else { return open.map(\.0) }
    throw SimplonError(
      .toolEgress, "\(host) is at an address that may not be called",
      hint: verdicts.contains(.inside)
        ? "Private networks are open where the operator sets SIMPLON_EGRESS_ALLOW_PRIVATE." : nil)
  }
}
