import Dispatch
import FoundationEssentials
import SimplonCore
import Synchronization

#if canImport(Glibc)
  import Glibc
  private let stream = CInt(SOCK_STREAM.rawValue)
#else
  import Darwin
  private let stream = SOCK_STREAM
#endif

/// The addresses of a host's name, for an owner; nil is the service.
typealias HostResolver = @Sendable (_ host: String, _ owner: UUID?) async throws -> [NetworkAddress]

/// Asks the system for addresses, a bounded number of times at once: each question takes one of the threads that files
/// are read on, too, and may block it for long.
///
/// One owner has a share of them, so whose names hang is in the way of nobody else's.
final class HostLookups: Sendable {
  /// For the names of steps.
  static let steps = HostLookups(most: 32, ofOne: 8, ask: addresses(of:))
  /// For the names of webhooks, apart from those of steps: a name that hangs is in the way of no step.
  static let webhooks = HostLookups(most: 16, ofOne: 4, ask: addresses(of:))

  private let most: Int
  private let mostOfOne: Int
  private let ask: @Sendable (String) -> [NetworkAddress]
  /// How many are under way, by their owners.
  let underWay = Mutex<[UUID?: Int]>([:])

  /// Makes lookups of a number at once, and of a smaller one for each owner; `ask` may block.
  init(most: Int, ofOne mostOfOne: Int, ask: @escaping @Sendable (String) -> [NetworkAddress]) {
    self.most = most
    self.mostOfOne = mostOfOne
    self.ask = ask
  }

  /// The addresses of a host's name; a cancelled task does not wait for them.
  ///
  /// - Throws: `tool.failed` when the name has no address, or too many others are being looked up; `CancellationError`.
  @Sendable func resolve(_ host: String, for owner: UUID?) async throws -> [NetworkAddress] {
    let isFree = underWay.withLock { counts in
      let own = counts[owner, default: 0]
      guard own < mostOfOne, counts.values.reduce(0, +) < most else { return false }
      counts[owner] = own + 1
      return true
    }
    guard isFree else {
      throw SimplonError(.toolFailed, "too many names are being looked up", hint: "let the step `retry`")
    }
    let (answers, answer) = AsyncStream.makeStream(of: [NetworkAddress].self)
    DispatchQueue.global().async {
      defer { self.end(owner) }
      answer.yield(self.ask(host))
      answer.finish()
    }
    for await addresses in answers {
      guard addresses.isEmpty else { return addresses }
      throw SimplonError(.toolFailed, "the host \(host) has no address")
    }
    throw CancellationError()
  }

  private func end(_ owner: UUID?) {
    underWay.withLock { counts in
      let left = counts[owner, default: 1] - 1
      counts[owner] = left > 0 ? left : nil
    }
  }
}

@Sendable private func addresses(of host: String) -> [NetworkAddress] {
  var hints = addrinfo()
  hints.ai_socktype = stream
  hints.ai_flags = AI_ADDRCONFIG
  var list: UnsafeMutablePointer<addrinfo>?
  guard getaddrinfo(host, nil, &hints, &list) == 0, let first = list else { return [] }
  defer { freeaddrinfo(first) }
  var found = [NetworkAddress]()
  var next: UnsafeMutablePointer<addrinfo>? = first
  while let entry = next {
    if let address = entry.pointee.ai_addr, let address = NetworkAddress(UnsafePointer(address)),
      !found.contains(address)
    {
      found.append(address)
    }
    next = entry.pointee.ai_next
  }
  return found
}

/// The addresses of this machine: what listens there may count on a firewall.
func ownAddresses() -> [NetworkAddress] {
  var list: UnsafeMutablePointer<ifaddrs>?
  guard getifaddrs(&list) == 0, let first = list else { return [] }
  defer { freeifaddrs(first) }
  var found = [NetworkAddress]()
  var next: UnsafeMutablePointer<ifaddrs>? = first
  while let entry = next {
    if let address = entry.pointee.ifa_addr.flatMap({ NetworkAddress(UnsafePointer($0)) }) { found.append(address) }
    next = entry.pointee.ifa_next
  }
  return found
}
