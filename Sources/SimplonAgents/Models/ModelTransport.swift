import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import ServiceLifecycle
import SimplonCore

/// Sends requests to models' servers and reads their answers as they come, within limits of time and size.
///
/// One transport serves all models. Each call has a connection of its own while it lasts: what happens to one call
/// happens to no other, and a cancelled call's connection is closed. Nothing is tried twice here, and no redirect is
/// followed, as it could carry the key away. Its owner ends it: as a service, which must outlive those who call models,
/// or with ``with(limits:_:)``.
package struct ModelTransport: Service {
  /// How long things may take.
  package struct Limits: Sendable, Hashable {
    /// Until there is a connection.
    package var connect = Duration.seconds(10)
    /// Without one byte of the answer.
    package var stall = Duration.seconds(120)
    /// The whole of a call; what trickles in beyond it ends the call at its next byte.
    package var deadline = Duration.seconds(600)

    /// Makes limits of the defaults.
    package init() {}

    /// For what somebody waits for who can do without.
    package static var short: Limits {
      var limits = Limits()
      limits.connect = .seconds(5)
      limits.stall = .seconds(15)
      limits.deadline = .seconds(30)
      return limits
    }
  }

  /// Bytes of an error's body that are read.
  private static let largestRefusal = 64 << 10
  /// Bytes of a stream, after which it cannot be a reply.
  private static let largestStream = 16 << 20
  /// Bytes of one event.
  private static let largestEvent = 2 << 20
  /// How long the end of a body is waited for when the reply is whole.
  private static let patience = TimeAmount.seconds(1)

  private let limits: Limits
  private let client: HTTPClient

  /// Makes a transport that has to be ended.
  package init(limits: Limits = Limits()) {
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
    // HTTP/2 would put calls on one connection: its loss would end all of them, and a server takes only so many.
    configuration.httpVersion = .http1Only
    // How many calls there are at once is not for the pool to say; its usual 8 would make calls wait and fail.
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 4096
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.timeout.connect = TimeAmount(limits.connect)
    configuration.timeout.read = TimeAmount(limits.stall)
    client = HTTPClient(configuration: configuration)
    self.limits = limits
  }

  /// Gives the body a transport that ends with it.
  package static func with<R>(
    limits: Limits = Limits(), _ body: (ModelTransport) async throws -> R
  ) async throws -> R {
    let transport = ModelTransport(limits: limits)
    do {
      let result = try await body(transport)
      await transport.shutdown()
      return result
    } catch {
      await transport.shutdown()
      throw error
    }
  }

  /// Waits for the shutdown, and ends.
  package func run() async throws {
    try? await gracefulShutdown()
    await shutdown()
  }

  /// Ends it; calls that are under way fail with `server.shutdown`.
  package func shutdown() async { try? await client.shutdown() }

  /// Sends a request and hands on the events of its answer.
  ///
  /// - Parameters:
  ///   - body: JSON.
  ///   - url: where to.
  ///   - headers: names and values; the media types are added.
  ///   - take: gets each event, and says whether the reply is whole. After ``ModelProgress/enough`` the stream may end in
  ///     any way but a cancel.
  /// - Returns: the answer, with the beginning of its body when it is an error.
  /// - Throws: `model.unavailable`, `model.timeout`, `model.protocol`; `config.invalid` for an impossible URL;
  ///   `server.shutdown`; `run.interrupted` when the task is cancelled; what `take` throws. Where the request may be on
  ///   the bill, a ``BrokenReply`` lies beneath.
  func post(
    _ body: [UInt8], to url: String, headers: [(name: String, value: String)],
    _ take: (StreamedEvent) throws(SimplonError) -> ModelProgress
  ) async throws(SimplonError) -> ModelAnswer {
    let request = try Self.request(url, headers, accepting: "text/event-stream", body: body)
    let deadline = NIODeadline.now() + TimeAmount(limits.deadline)
    let response: HTTPClientResponse
    do {
      response = try await client.execute(request, deadline: deadline)
    } catch {
      // Only what never had a connection is surely not on the bill.
      throw Self.isUnsent(error) ? Self.failure(error) : Self.failure(error).broken()
    }
    var answer = ModelAnswer(status: Int(response.status.code), headers: Self.named(response.headers))
    if answer.isGood {
      do throws(SimplonError) {
        try await Self.read(response.body, of: answer, until: deadline, take)
      } catch {
        // What answers with a page is no model; one that was asked for a stream and sends something else may be.
        throw answer.headers["content-type"]?.lowercased().hasPrefix("text/html") == true ? error : error.broken()
      }
    } else {
      answer.body = try await Self.beginning(of: response.body, until: deadline)
    }
    return answer
  }

  /// Gets what is at an address: the answer with the beginning of its body, whatever its status.
  ///
  /// - Parameters:
  ///   - url: where.
  ///   - headers: names and values; the media type is added.
  /// - Returns: the answer.
  /// - Throws: `model.unavailable`, `model.timeout`; `config.invalid` for an impossible URL; `server.shutdown`;
  ///   `run.interrupted` when the task is cancelled.
  func get(_ url: String, headers: [(name: String, value: String)]) async throws(SimplonError) -> ModelAnswer {
    let request = try Self.request(url, headers, accepting: "application/json")
    let deadline = NIODeadline.now() + TimeAmount(limits.deadline)
    let response: HTTPClientResponse
    do {
      response = try await client.execute(request, deadline: deadline)
    } catch {
      throw Self.failure(error)
    }
    var answer = ModelAnswer(status: Int(response.status.code), headers: Self.named(response.headers))
    answer.body = try await Self.beginning(of: response.body, until: deadline)
    return answer
  }

  /// Sends JSON and gives the answer with all of its body, whatever its status.
  ///
  /// - Parameters:
  ///   - body: JSON.
  ///   - url: where to.
  ///   - headers: names and values; the media types are added.
  ///   - limit: bytes of the answer's body, at most.
  /// - Returns: the answer.
  /// - Throws: `model.unavailable`, `model.timeout`, `model.protocol` for a longer body; `config.invalid` for an
  ///   impossible URL; `server.shutdown`; `run.interrupted` when the task is cancelled.
  func exchange(
    _ body: JSON, with url: String, headers: [(name: String, value: String)], limit: Int
  ) async throws(SimplonError) -> ModelAnswer {
    let request = try Self.request(url, headers, accepting: "application/json", body: body.utf8)
    let deadline = NIODeadline.now() + TimeAmount(limits.deadline)
    do {
      let response = try await client.execute(request, deadline: deadline)
      var answer = ModelAnswer(status: Int(response.status.code), headers: Self.named(response.headers))
      for try await chunk in response.body {
        answer.body += chunk.readableBytesView
        guard answer.body.count <= limit else {
          throw SimplonError(.modelProtocol, "the answer is larger than \(limit >> 20) MiB")
        }
        guard NIODeadline.now() < deadline else { throw HTTPClientError.deadlineExceeded }
      }
      return answer
    } catch {
      throw Self.failure(error)
    }
  }

  /// A request: a GET, or with a body, which is JSON, a POST.
  private static func request(
    _ url: String, _ headers: [(name: String, value: String)], accepting type: String, body: [UInt8]? = nil
  ) throws(SimplonError) -> HTTPClientRequest {
    guard url.hasPrefix("https://") || url.hasPrefix("http://") else { throw failure(HTTPClientError.invalidURL) }
    var request = HTTPClientRequest(url: url)
    request.headers.add(name: "Accept", value: type)
    if let body {
      request.method = .POST
      request.headers.add(name: "Content-Type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: body))
    }
    request.headers.add(name: "User-Agent", value: "simplon")
    for header in headers { request.headers.add(name: header.name, value: header.value) }
    return request
  }

  private static func read(
    _ body: HTTPClientResponse.Body, of answer: ModelAnswer, until deadline: NIODeadline,
    _ take: (StreamedEvent) throws(SimplonError) -> ModelProgress
  ) async throws(SimplonError) {
    var parser = EventStreamParser(limit: largestEvent, code: .modelProtocol)
    var progress = ModelProgress.open
    var end = deadline
    var bytes = 0
    var events = 0
    do {
      for try await chunk in body {
        let now = NIODeadline.now()
        if progress == .whole {
          // Only the end of the body is of interest: with it the connection can serve the next call.
          if now < end { continue } else { break }
        }
        guard now < end else {
          throw SimplonError(.modelTimeout, "the model's answer takes longer than is allowed", retry: .backoff)
        }
        bytes += chunk.readableBytes
        guard bytes <= largestStream else {
          throw SimplonError(.modelProtocol, "the model's answer is larger than \(largestStream >> 20) MiB")
        }
        for event in try parser.feed(chunk.readableBytesView) where progress != .whole {
          events += 1
          progress = try take(event)
        }
        if progress == .whole { end = min(end, now + patience) }
      }
    } catch {
      // A reply that is there does not get lost by how its stream ends.
      if progress == .open || (progress == .enough && Task.isCancelled) { throw failure(error) }
    }
    if progress == .open, Task.isCancelled { throw failure(CancellationError()) }
    if events == 0, answer.headers["content-type"] == nil || !isStream(answer) {
      throw SimplonError(
        .modelProtocol, "what answers at the model's address sends no stream of events",
        hint: "Check the model's URL: it must lead to an API, not to a page.", retry: .backoff)
    }
  }

  /// Whether events are to come; some servers leave it out.
  private static func isStream(_ answer: ModelAnswer) -> Bool {
    answer.headers["content-type"]?.lowercased().hasPrefix("text/event-stream") ?? true
  }

  private static func beginning(
    of body: HTTPClientResponse.Body, until deadline: NIODeadline
  ) async throws(SimplonError) -> [UInt8] {
    var bytes = [UInt8]()
    do {
      for try await chunk in body {
        bytes += chunk.readableBytesView.prefix(largestRefusal - bytes.count)
        guard bytes.count < largestRefusal, NIODeadline.now() < deadline else { break }
      }
    } catch {
      // The status says enough, whatever became of the words.
      if Task.isCancelled { throw failure(error) }
    }
    return bytes
  }

  private static func named(_ headers: HTTPHeaders) -> [String: String] {
    var named = [String: String]()
    for header in headers where named[header.name.lowercased()] == nil {
      named[header.name.lowercased()] = header.value
    }
    return named
  }
}
