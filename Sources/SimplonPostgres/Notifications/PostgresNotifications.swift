import SimplonCore

/// What a listener hears.
public enum PostgresNotification: Hashable, Sendable {
  /// Somebody sent `NOTIFY channel, 'payload'`.
  case notification(channel: String, payload: String)
  /// Listening holds from here on; what was sent before may have been missed. It comes first, after each reconnection,
  /// and when the reader was so slow that notifications had to be dropped: look at the tables themselves.
  case mayHaveMissed
}

/// Notifications of some channels, on a connection of their own that is made anew when it breaks.
///
/// Each iterator listens by itself, from its first `next()` to its end. The sequence ends when the client stops; a
/// cancelled reader gets `CancellationError`. It throws `database.unavailable` behind a transaction pooler, and the
/// server's error when it refuses to listen.
public struct PostgresNotifications: AsyncSequence, Sendable {
  /// What a listener hears.
  public typealias Element = PostgresNotification

  let pool: Pool
  let channels: [String]

  /// Begins to listen.
  public func makeAsyncIterator() -> Iterator { Iterator(pool: pool, channels: channels) }

  /// Listens as long as it lives.
  public final class Iterator: AsyncIteratorProtocol {
    private let pool: Pool
    private let channels: [String]
    private let mailbox = Mailbox()
    private var id: Int?

    init(pool: Pool, channels: [String]) {
      self.pool = pool
      self.channels = channels
    }

    deinit {
      if let id { pool.loop.post(.unlisten(id: id)) }
    }

    /// The next notification, or nil when the client has stopped.
    public func next() async throws -> PostgresNotification? {
      if id == nil { try start() }
      return try await mailbox.next()
    }

    private func start() throws(SimplonError) {
      guard !pool.configuration.pooler else {
        throw SimplonError(
          .databaseUnavailable, "a transaction pooler cannot pass notifications on",
          hint: "Set DATABASE_DIRECT_URL to a DSN that reaches PostgreSQL itself.")
      }
      let id = pool.nextID()
      self.id = id
      pool.loop.post(.listen(id: id, mailbox, channels: channels))
    }
  }
}
