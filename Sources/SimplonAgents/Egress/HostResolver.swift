import Dispatch
import SimplonCore
import Synchronization

#if canImport(Glibc)
  import Glibc
  private let stream = CInt(SOCK_STREAM.rawValue)
#else
  import Darwin
  private let stream = SOCK_STREAM
#endif

/// The addresses of a host's name.
typealias HostResolver = @Sendable (_ host: String) async throws -> [NetworkAddress]

/// How many names are being looked up: each takes one of the threads that files are read on, too.
private final class Lookups: Sendable {
  let count = Mutex(0)
  let most: Int

  init(most: Int) { self.most = most }
}

private let lookups = Lookups(most: 32)
private let webhookLookups = Lookups(most: 16)

/// Asks the system, which may block for long; a cancelled task does not wait for it.
///
/// - Throws: `tool.failed` when the name has no address, or too many others are being looked up; `CancellationError`.
@Sendable func systemResolver(_ host: String) async throws -> [NetworkAddress] {
  try await resolve(host, among: lookups)
}

/// The same for the names of webhooks, apart from those of steps: a name that hangs is in the way of no step.
@Sendable func webhookResolver(_ host: String) async throws -> [NetworkAddress] {
  try await resolve(host, among: webhookLookups)
}

private func resolve(_ host: String, among lookups: Lookups) async throws -> [NetworkAddress] {
  let isFree = lookups.count.withLock { count in
    guard count < lookups.most else { return false }
    count += 1
    return true
  }
  guard isFree else {
    throw SimplonError(.toolFailed, "too many names are being looked up", hint: "let the step `retry`")
  }
  let (answers, answer) = AsyncStream.makeStream(of: [NetworkAddress].self)
  DispatchQueue.global().async {
    defer { lookups.count.withLock { $0 -= 1 } }
    answer.yield(addresses(of: host))
    answer.finish()
  }
  for await addresses in answers {
    guard addresses.isEmpty else { return addresses }
    throw SimplonError(.toolFailed, "the host \(host) has no address")
  }
  throw CancellationError()
}

private func addresses(of host: String) -> [NetworkAddress] {
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
