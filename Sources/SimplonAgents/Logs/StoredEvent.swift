/// One event of a run, as stored; the stream and the polling API both give exactly this.
package struct StoredEvent: Sendable, Hashable {
  /// The event's number in its run: 1, 2, 3 … with no gap.
  package let seq: Int64
  /// When it was written, ISO 8601.
  package let at: String
  /// debug, info, warn or error.
  package let level: String
  /// log, step, status, message, artifact or done.
  package let kind: String
  /// The event's own JSON, as text.
  package let payload: String

  /// Makes an event from its columns.
  package init(seq: Int64, at: String, level: String, kind: String, payload: String) {
    self.seq = seq
    self.at = at
    self.level = level
    self.kind = kind
    self.payload = payload
  }
}
