import AsyncAlgorithms
import CoreMetrics
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle
import SimplonAgents
import SimplonCore

/// A run's events as server-sent events, until `done`, the token's end, the server's stop or the reader's leaving.
struct EventStream: Sendable {
  private enum Signal: Sendable {
    case events(LogSubscription.Element)
    case heartbeat
    case expired
    /// The reader is gone.
    case left
    /// The server stops, or there is nothing more to read from it.
    case closing
  }

  let events: LogSubscription
  /// Unix seconds.
  let expiresAt: Int?
  let configuration: ServerConfiguration
  let metrics: StreamMetrics

  private static let headers: HTTPFields = [
    .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-store", .xContentTypeOptions: "nosniff",
    .xAccelBuffering: "no",
  ]

  private static let expired = """
    event: expired
    data: {"code":"auth.expired","message":"the token or ticket has ended","hint":"get a new one, then go on by Last-Event-ID"}


    """

  /// What tells the reader to come back, and why.
  static func reconnect(_ error: SimplonError) -> String {
    let hint =
      error.code.status < 500 ? "close the stream: there is nothing more to come" : "connect again with Last-Event-ID"
    let data: JSON = [
      "code": .string(error.code.rawValue), "message": .string(error.message), "hint": .string(error.hint ?? hint),
    ]
    return "event: reconnect\nretry: 1000\ndata: \(data.text)\n\n"
  }

  /// The answer.
  func response(on context: ServerContext) -> Response {
    Response(
      status: .ok, headers: Self.headers,
      body: ResponseBody { writer in
        metrics.open.increment()
        defer { metrics.open.decrement() }
        try await send(to: &writer, on: context)
        try await writer.finish(nil)
      }.paced(on: context.channel, stallLimit: configuration.stallLimit, stalled: metrics.stalled))
  }

  @concurrent private func send(to writer: inout any ResponseBodyWriter, on context: ServerContext) async throws {
    let left = try await ReaderWatch.start(context.channel).map { Signal.left }
    defer { ReaderWatch.stop(context.channel) }
    try await writer.write(ByteBuffer(string: "retry: 2000\n\n"))
    var buffer = ByteBuffer()
    do {
      for try await signal in merge(chain(events.map { .events($0) }, [Signal.closing].async), clock, left) {
        var isLast = false
        switch signal {
        case .events(let batch):
          for event in batch {
            event.writeServerSentEvent(to: &buffer)
            guard buffer.readableBytes >= PacedWriter.chunk else { continue }
            try await writer.write(buffer)
            buffer.clear()
          }
          isLast = batch.last?.kind == "done"
        case .heartbeat:
          buffer.writeStaticString(":\n\n")
        case .expired:
          buffer.writeString(Self.expired)
          isLast = true
        case .left:
          throw CancellationError()
        case .closing:
          buffer.writeString(
            Self.reconnect(
              SimplonError(.serverShutdown, "the server stops", hint: "connect again with Last-Event-ID")))
          isLast = true
        }
        try await writer.write(buffer)
        buffer.clear()
        if isLast { return }
      }
    } catch let error as SimplonError {
      if error.code.status >= 500 {
        context.logger.warning("stream broke off", metadata: ["error": .string(error.debugDescription)])
      }
      try await writer.write(ByteBuffer(string: Self.reconnect(error)))
    }
  }

  /// What happens by time alone: a heartbeat now and then, `expired` at the token's end, `closing` on graceful shutdown.
  private var clock: AsyncStream<Signal> {
    AsyncStream {
      let left = expiresAt.map { Duration.seconds(Double($0) - Date().timeIntervalSince1970) } ?? .seconds(1 << 31)
      guard left > .zero else { return .expired }
      do {
        try await cancelWhenGracefulShutdown { try await Task.sleep(for: min(left, configuration.heartbeat)) }
        return left <= configuration.heartbeat ? .expired : .heartbeat
      } catch {
        return Task.isCancelled ? nil : .closing
      }
    }
  }
}
