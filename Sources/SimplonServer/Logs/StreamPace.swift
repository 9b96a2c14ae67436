import Hummingbird
import Metrics
import NIOCore
import SimplonCore
import Synchronization

/// Writes a stream no faster than its reader takes it, and cuts the reader off when it takes nothing.
///
/// A write returns as soon as the event loop has it, which may be long before the socket proves full; many small
/// writes would pile up there without bound. So little goes in between two barriers, after which the next write knows
/// whether the channel is writable.
///
/// - Source: measured with 50 readers that took nothing: 1.5 GB without a barrier, 42 MB with one.
struct StreamPace {
  /// The most bytes in one write.
  static let chunk = 64 << 10

  private final class Wait: Sendable {
    let since = Mutex<ContinuousClock.Instant?>(nil)
  }

  private let channel: any Channel
  private let wait = Wait()
  private let watch: RepeatedTask
  private var bytes = 0
  private var writes = 0

  /// Starts watching the reader.
  init(channel: any Channel, stallLimit: Duration, stalled: Counter) {
    let interval = TimeAmount.milliseconds(max(1, stallLimit.milliseconds / 4))
    self.channel = channel
    self.watch = channel.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [wait] task in
      guard let since = wait.since.withLock({ $0 }), .now - since >= stallLimit else { return }
      task.cancel()
      stalled.increment()
      channel.close(promise: nil)
    }
  }

  /// Stops watching the reader.
  func stop() { watch.cancel() }

  /// Writes everything in the buffer and empties it.
  @concurrent mutating func write(_ buffer: inout ByteBuffer, to writer: inout any ResponseBodyWriter) async throws {
    defer { wait.since.withLock { $0 = nil } }
    while let slice = buffer.readSlice(length: min(buffer.readableBytes, Self.chunk)), slice.readableBytes > 0 {
      wait.since.withLock { $0 = .now }
      try await writer.write(slice)
      bytes += slice.readableBytes
      writes += 1
      if bytes >= Self.chunk / 2 || writes >= 32 {
        try await channel.eventLoop.submit {}.get()
        bytes = 0
        writes = 0
      }
    }
    buffer.clear()
  }
}
