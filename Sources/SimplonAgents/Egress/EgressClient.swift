import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import SimplonCore

/// Sends the requests of tools, within the rules of this installation.
///
/// A host's name is resolved once for each request, and the connection goes to an address that was checked, so a name
/// cannot mean something else a moment later. Redirects are followed here, each by the same rules. Each request has a
/// connection of its own, without a proxy, and nothing is decompressed.
struct EgressClient: Sendable {
  /// Redirects that are followed.
  static let mostRedirects = 5
  /// Addresses of a host that are tried.
  private static let mostAddresses = 4

  let rules: EgressRules
  var resolver: HostResolver = HostLookups.steps.resolve

  /// Sends a request and gives the answer, with the beginning of its body.
  ///
  /// - Parameters:
  ///   - request: what to send.
  ///   - timeout: for all of it, redirects included.
  ///   - count: counts connections.
  /// - Returns: the answer that is no redirect, or that is not followed.
  /// - Throws: `tool.egress`, `tool.input`, `tool.failed`, `tool.timeout`; `CancellationError`.
  func send(_ request: EgressRequest, within timeout: Duration, _ count: EgressCount) async throws -> EgressResponse {
    try await withThrowingTaskGroup(of: EgressResponse.self) { group in
      group.addTask { try await follow(request, count) }
      group.addTask {
        try await Task.sleep(for: timeout)
        throw SimplonError(
          .toolTimeout, "there was no whole answer within \(timeout.short)",
          hint: "give the step, or its input, a longer `timeout`")
      }
      defer { group.cancelAll() }
      guard let response = try await group.next() else { throw CancellationError() }
      return response
    }
  }

  private func follow(_ first: EgressRequest, _ count: EgressCount) async throws -> EgressResponse {
    var request = first
    for _ in 0...Self.mostRedirects {
      let response = try await exchange(request, count)
      guard let next = try request.redirected(by: response) else { return response }
      request = next
    }
    throw SimplonError(.toolFailed, "the server redirects more than \(Self.mostRedirects) times")
  }

  private func exchange(_ request: EgressRequest, _ count: EgressCount) async throws -> EgressResponse {
    if !request.isToConnector { try rules.check(request.url) }
    let found =
      if let address = request.url.address { [address] } else { try await resolver(request.url.host, request.owner) }
    let isInside = request.isToConnector && request.connector?.allowsPrivate == true
    let addresses = try rules.open(found, of: request.url.host, insideToo: isInside).prefix(Self.mostAddresses)
    let before = count.value
    var failure: any Error = SimplonError(.toolFailed, "the host \(request.url.host) has no address")
    for address in addresses {
      do {
        return try await exchange(request, at: address, count)
      } catch let error as SimplonError where error.code == .toolFailed && count.value == before {
        // Nobody was there, so the next one may be.
        failure = error
      }
    }
    throw failure
  }

  private func exchange(
    _ request: EgressRequest, at address: NetworkAddress, _ count: EgressCount
  ) async throws -> EgressResponse {
    let before = count.value
    let client = HTTPClient(configuration: Self.configuration(for: request.url, at: address, count))
    do {
      let response = try await Self.answer(to: request, from: client)
      try? await client.shutdown()
      return response
    } catch {
      let isCancelled = Task.isCancelled
      try? await client.shutdown()
      if isCancelled || error is CancellationError { throw CancellationError() }
      if let error = error as? SimplonError { throw error }
      throw SimplonError(
        .toolFailed,
        count.value == before
          ? "\(request.url.host) cannot be reached on port \(request.url.port)"
          : "\(request.url.host) broke off, or gave no answer that HTTP knows", cause: error)
    }
  }

  private static func configuration(
    for url: EgressURL, at address: NetworkAddress, _ count: EgressCount
  ) -> HTTPClient.Configuration {
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
    configuration.httpVersion = .http1Only
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.timeout.connect = .seconds(10)
    // The name stays in the certificate's check and in the header Host.
    if url.address == nil { configuration.dnsOverride = [url.host: address.description] }
    // Called when the connection is there, TLS included, and nothing was sent.
    configuration.http1_1ConnectionDebugInitializer = { channel in
      guard let text = channel.remoteAddress?.ipAddress, NetworkAddress(text) == address else {
        return channel.eventLoop.makeFailedFuture(
          SimplonError(.toolEgress, "the connection went to another address than was checked"))
      }
      count.increment()
      return channel.eventLoop.makeSucceededVoidFuture()
    }
    return configuration
  }

  private static func answer(to request: EgressRequest, from client: HTTPClient) async throws -> EgressResponse {
    var message = HTTPClientRequest(url: request.url.text)
    message.method = HTTPMethod(rawValue: request.method)
    message.headers.add(name: "User-Agent", value: "simplon")
    // What is not compressed cannot grow.
    message.headers.add(name: "Accept-Encoding", value: "identity")
    for header in request.headers { message.headers.replaceOrAdd(name: header.name, value: header.value) }
    if request.isToConnector {
      for header in request.connector?.headers ?? [] {
        message.headers.replaceOrAdd(name: header.name, value: header.value)
      }
    }
    if let body = request.body { message.body = .bytes(ByteBuffer(bytes: body)) }
    let response = try await client.execute(message, deadline: .now() + .hours(24))
    let headers = response.headers.map { (name: $0.name.lowercased(), value: $0.value) }
    var answer = EgressResponse(status: Int(response.status.code), headers: headers)
    // Nobody reads the body of a redirect that is followed.
    guard try request.redirected(by: answer) == nil else { return answer }
    for try await chunk in response.body {
      answer.body += chunk.readableBytesView.prefix(request.limit - answer.body.count)
      guard answer.body.count < request.limit else { break }
    }
    return answer
  }
}
