import FoundationEssentials
import SimplonCore
import Synchronization

/// A request of a tool to somewhere outside.
struct EgressRequest: Sendable {
  var method: String
  var url: EgressURL
  /// The caller's own.
  var headers: [(name: String, value: String)] = []
  var body: [UInt8]?
  /// Bytes of the answer's body that are read at most.
  var limit: Int
  /// Whose headers go along, to its own origin alone.
  var connector: HTTPConnector?
  /// Who asks; nil is the service.
  var owner: UUID?
  /// Whether to send what a redirect asks for; where not, the redirect is the answer.
  var follows: @Sendable (EgressRequest) -> Bool = { _ in true }

  /// Whether it goes to its connector, which the operator has declared.
  var isToConnector: Bool { connector.map { $0.baseURL.origin == url.origin } ?? false }

  /// What another origin may see of the caller's headers; any other could be a credential.
  private static let harmless: Set<String> = ["accept", "accept-language", "content-type", "user-agent"]

  /// The request that an answer asks for; nil when it is no redirect, or one that is not followed.
  ///
  /// - Throws: `tool.egress` when it leads to what is no URL.
  /// - Source: RFC 9110 §15.4: 303 asks for a GET, 301 and 302 turn a POST into one, 307 and 308 change nothing.
  func redirected(by response: EgressResponse) throws(SimplonError) -> EgressRequest? {
    guard [301, 302, 303, 307, 308].contains(response.status), let location = response.first("location") else {
      return nil
    }
    var next = self
    next.url = try url.resolving(location)
    if let connector, next.isToConnector, !connector.holds(next.url) {
      throw SimplonError(.toolEgress, "the server redirects out of the connector's base")
    }
    if (response.status == 303 && method != "HEAD") || ([301, 302].contains(response.status) && method == "POST") {
      next.method = "GET"
      next.body = nil
      next.headers.removeAll { $0.name.lowercased().hasPrefix("content-") }
    }
    if next.url.origin != url.origin {
      next.headers.removeAll { !Self.harmless.contains($0.name.lowercased()) }
    }
    return follows(next) ? next : nil
  }
}

/// What came back.
struct EgressResponse: Sendable {
  let status: Int
  /// Names in lower case, in the server's order.
  var headers: [(name: String, value: String)]
  var body: [UInt8] = []

  /// The first field of that name.
  func first(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// How many connections a call has made: from the first on, nobody knows what the server has done.
final class EgressCount: Sendable {
  private let made = Atomic(0)

  var value: Int { made.load(ordering: .acquiring) }

  func increment() { made.add(1, ordering: .acquiringAndReleasing) }
}
