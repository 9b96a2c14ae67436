import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import SimplonCore

/// Hummingbird's connection with our ``ConnectionRules`` between the wire and it.
struct HTTPConnection: ServerChildChannel {
  private let base: HTTP1Channel
  private let patience: TimeAmount
  private let shares: ConnectionShares?

  init(_ configuration: ServerConfiguration, responder: @escaping HTTPChannelHandler.Responder) {
    base = HTTP1Channel(
      responder: responder,
      configuration: .init(
        idleTimeout: .milliseconds(configuration.idleTimeout.milliseconds),
        httpDecoderConfiguration: .init(
          maxHeaderFieldSize: 64 << 10, maxHeaderListSize: 96 << 10, maxHeaderFieldCount: 100)))
    patience = .milliseconds(configuration.patience.milliseconds)
    // A proxy's connections are many clients'.
    shares = configuration.trustedProxies == 0 ? ConnectionShares(of: configuration.maximumConnections) : nil
  }

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
    base.setup(channel: channel, logger: logger).flatMapThrowing { value in
      let pipeline = channel.pipeline.syncOperations
      let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
      try pipeline.addHandler(ConnectionRules(patience: patience, shares: shares), position: .after(decoder))
      return value
    }
  }

  func handle(value: HTTP1Channel.Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}
