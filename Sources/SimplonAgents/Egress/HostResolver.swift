import Dispatch
import SimplonCore

#if canImport(Glibc)
  import Glibc
  private let stream = CInt(SOCK_STREAM.rawValue)
#else
  import Darwin
  private let stream = SOCK_STREAM
#endif

/// The addresses of a host's name.
typealias HostResolver = @Sendable (_ host: String) async throws -> [NetworkAddress]

/// Asks the system, which may block for long; a cancelled task does not wait for it.
///
/// - Throws: `tool.failed` when the name has no address; `CancellationError`.
@Sendable func systemResolver(_ host: String) async throws -> [NetworkAddress] {
  let (answers, answer) = AsyncStream.makeStream(of: [NetworkAddress].self)
  DispatchQueue.global().async {
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
