import NIOCore
import NIOHTTP1
import SimplonAgents

/// What HTTP asks of one connection and Hummingbird leaves to others: HTTP/1.0, `Host` and `100 Continue`; and the
/// patience for a connection that sends nothing, and its network's share of all connections.
///
/// - Source: RFC 9112, sections 3.2 (Host), 6.1 and 9.3 (HTTP/1.0); RFC 9110, section 10.1.1 (Expect).
final class ConnectionRules: ChannelDuplexHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundIn = HTTPServerResponsePart
  typealias OutboundOut = HTTPServerResponsePart

  /// Said to the channel by who is about to read a body that the client holds back until it is asked for.
  struct AsksForBody: Sendable {}

  private let patience: TimeAmount
  private let shares: ConnectionShares?
  /// The network that this connection counts for.
  private var network: String?
  private var waiting: Scheduled<Void>?
  /// Whether the client knows neither chunks nor connections that stay open.
  private var isOld = false
  private var isRefused = false

  /// Takes the time within which the first request's head must be there, and the shares, where the other end is the
  /// client itself.
  init(patience: TimeAmount, shares: ConnectionShares?) {
    self.patience = patience
    self.shares = shares
  }

  func channelActive(context: ChannelHandlerContext) {
    let channel = context.channel
    if let shares, let network = channel.remoteAddress?.ipAddress.flatMap({ NetworkAddress(forwarded: $0) })?.network {
      guard shares.take(network) else { return context.close(promise: nil) }
      self.network = network
    }
    waiting = context.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    waiting?.cancel()
    if let network { shares?.giveBack(network) }
    network = nil
    context.fireChannelInactive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isRefused else { return }
    guard case .head(var head) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
    waiting?.cancel()
    guard head.version == .http1_1 else {
      isOld = true
      head.headers.replaceOrAdd(name: "connection", value: "close")
      return context.fireChannelRead(NIOAny(HTTPServerRequestPart.head(head)))
    }
    guard head.headers["host"].count == 1 else {
      isRefused = true
      return context.fireErrorCaught(HTTPParserError.invalidHeaderToken)
    }
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard isOld, case .head(var head) = unwrapOutboundIn(data) else { return context.write(data, promise: promise) }
    // NIO's encoder then sends no chunks: the body ends with the connection.
    head.version = .http1_0
    head.headers.replaceOrAdd(name: "connection", value: "close")
    context.write(wrapOutboundOut(.head(head)), promise: promise)
  }

  func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
    guard event is AsksForBody else { return context.triggerUserOutboundEvent(event, promise: promise) }
    if !isOld {
      let head = HTTPResponseHead(version: .http1_1, status: .continue)
      context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
    }
    promise?.succeed()
  }
}
