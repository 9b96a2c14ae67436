import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import SimplonCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What goes wrong on the network: what it means for the bill, and how it is told.
extension ModelTransport {
  /// Whether no connection was there to send the request on.
  static func isUnsent(_ error: any Error) -> Bool {
    guard let error = error as? HTTPClientError else {
      // Nobody listens there; other errors of a socket may come to what was sent.
      if let error = error as? IOError { return error.errnoCode == ECONNREFUSED }
      // What fails below HTTP, as a handshake does, is no error of the client's own. An answer that is no HTTP comes to
      // what was sent.
      return !(error is CancellationError || error is ChannelError || error is HTTPParserError)
    }
    return [
      .connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout, .invalidURL, .emptyHost, .emptyScheme,
    ].contains(error)
  }

  /// What the network threw, in our words.
  static func failure(_ error: any Error) -> SimplonError {
    if let error = error as? SimplonError { return error }
    if Task.isCancelled || error is CancellationError {
      return SimplonError(.runInterrupted, "the call of the model was stopped", cause: CancellationError())
    }
    switch error as? HTTPClientError ?? .remoteConnectionClosed {
    case .readTimeout:
      return SimplonError(.modelTimeout, "the model's server says nothing", retry: .backoff, cause: error)
    case .deadlineExceeded:
      return SimplonError(
        .modelTimeout, "the model's answer takes longer than is allowed", retry: .backoff, cause: error)
    case .invalidURL, .emptyHost, .emptyScheme:
      return SimplonError(.configInvalid, "the model's URL is none", hint: "It looks like https://api.example.com/v1.")
    case .cancelled, .alreadyShutdown:
      return SimplonError(.serverShutdown, "this process is stopping", retry: .backoff, cause: error)
    default:
      return SimplonError(
        .modelUnavailable, "the model's server cannot be reached, or broke off", retry: .backoff, cause: error)
    }
  }
}
