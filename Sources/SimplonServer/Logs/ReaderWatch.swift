import NIOCore

/// Notices at once when a stream's reader leaves, instead of at the next failing write.
///
/// A client that closes its connection shows first as the end of its input, which an HTTP server may take for a client
/// that only has nothing more to say. A stream's reader that has ended its input is gone, so the connection is closed.
///
/// Hummingbird's own `consumeWithInboundCloseHandler` is no way to do this: it traps when a stream ends before the
/// request's end was read (2.28.1, a source that is dropped without `finish`).
enum ReaderWatch {
  private static let name = "reader watch"

  private final class Handler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      context.fireUserInboundEventTriggered(event)
      if case ChannelEvent.inputClosed = event { context.close(promise: nil) }
    }
  }

  /// Watches a connection until ``stop(_:)``.
  ///
  /// - Returns: gives one element, when the connection is closed.
  static func start(_ channel: any Channel) async throws -> AsyncStream<Void> {
    try await channel.eventLoop.submit {
      try channel.pipeline.syncOperations.addHandler(Handler(), name: name, position: .first)
    }.get()
    let (left, leave) = AsyncStream.makeStream(of: Void.self)
    channel.closeFuture.whenComplete { _ in
      leave.yield()
      leave.finish()
    }
    return left
  }

  /// Ends the watch; the connection may serve other requests.
  static func stop(_ channel: any Channel) { channel.pipeline.removeHandler(name: name, promise: nil) }
}
