import CLibpq
import Logging
import SimplonCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A connection of libpq; closed with its last owner.
///
/// `@unchecked`: it is made on a thread of its own, then handed to the event loop, which alone uses it from there on.
final class Link: @unchecked Sendable {
  let connection: OpaquePointer
  private let logger: Logger

  private init(_ connection: OpaquePointer, logger: Logger) {
    self.connection = connection
    self.logger = logger
  }

  deinit { PQfinish(connection) }

  /// Connects, which blocks: names are looked up, hosts tried one after the other, certificates and passwords checked.
  ///
  /// - Throws: `database.unavailable` with libpq's words as the cause.
  static func open(_ configuration: PostgresConfiguration, logger: Logger) throws(SimplonError) -> Link {
    // What stands before `dbname` yields to the DSN; libpq measures in whole seconds, two at least, for each host.
    let seconds = max(2, (configuration.connectTimeout.milliseconds + 999) / 1000)
    let parameters = [
      ("connect_timeout", String(seconds)), ("fallback_application_name", configuration.applicationName),
      ("dbname", configuration.dsn), ("client_encoding", "UTF8"),
    ]
    let keywords = parameters.map { strdup($0.0) }
    let values = parameters.map { strdup($0.1) }
    defer { for text in keywords + values { free(text) } }
    let opened = PQconnectdbParams(
      keywords.map { UnsafePointer($0) } + [nil], values.map { UnsafePointer($0) } + [nil], 1)
    guard let opened else { throw SimplonError(.databaseUnavailable, "there is no memory to connect to PostgreSQL") }
    let link = Link(opened, logger: logger)
    guard PQstatus(opened) == CONNECTION_OK else { throw link.unavailable("PostgreSQL cannot be reached") }
    PQsetNoticeReceiver(opened, Self.receiveNotice, Unmanaged.passUnretained(link).toOpaque())
    guard PQsetnonblocking(opened, 1) == 0, PQenterPipelineMode(opened) == 1 else {
      throw link.unavailable("PostgreSQL cannot be used without blocking")
    }
    return link
  }

  /// The error of a connection that failed, with libpq's words as the cause.
  func unavailable(_ message: String) -> SimplonError {
    SimplonError(.databaseUnavailable, message, retry: .backoff, cause: words)
  }

  /// What libpq says last.
  var words: LibpqError { LibpqError(debugDescription: String(cString: PQerrorMessage(connection))) }

  /// Asks the server to stop what the connection is doing; blocks, so it takes a thread of its own.
  ///
  /// The connection stays open meanwhile: a pooler cannot pass on a cancel for a client that is gone.
  func cancel() {
    guard let request = PQgetCancel(connection) else { return }
    let handle = CancelHandle(request: request)
    startThread {
      var words = [CChar](repeating: 0, count: 256)
      PQcancel(handle.request, &words, Int32(words.count))
      PQfreeCancel(handle.request)
      withExtendedLifetime(self) {}
    }
  }

  private static let receiveNotice: PQnoticeReceiver = { context, result in
    guard let context, let result, let notice = PostgresServerError(result) else { return }
    Unmanaged<Link>.fromOpaque(context).takeUnretainedValue().logger.debug(
      "PostgreSQL has a notice", metadata: ["sqlstate": "\(notice.sqlState)", "notice": "\(notice.message)"])
  }
}

/// libpq's own words about a failure; for the log alone.
struct LibpqError: Error, CustomDebugStringConvertible {
  let debugDescription: String
}

/// `@unchecked`: a cancel request is a copy of its own and has exactly one user, the thread that sends it.
private struct CancelHandle: @unchecked Sendable {
  let request: OpaquePointer
}
