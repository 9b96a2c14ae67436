import SimplonCore
package import SimplonIdentity

/// Which part of the ledger a caller wants to see; ranges are checked at the door.
package struct UsageQuery: Sendable {
  /// What was asked in so many hours back, 1 to 8,760; nil, without ``days`` too, is 24.
  package var hours: Int?
  /// Whole days of UTC, today among them, 1 to 366.
  package var days: Int?
  /// The most items, 1 to 1,000.
  package var limit = 100
  /// Where the list goes on; nil begins it.
  package var cursor: String?

  /// Asks for the last day.
  package init() {}
}

extension Runs {
  /// Tokens and cost per day, user and model, the latest day first, as `{"usage": […], "next_cursor": …}`.
  ///
  /// Users see their own, the service sees all.
  /// - Throws: `request.cursor`; `request.invalid` for hours and days together.
  package func usage(_ query: UsageQuery, as caller: Principal) async throws -> String {
    try signedIn(caller)
    guard query.hours == nil || query.days == nil else {
      throw SimplonError(.requestInvalid, "give either \"hours\" or \"days\"", details: ["field": "days"])
    }
    return try await store.usage(query, as: caller).json("usage", of: "usage")
  }
}
