import SimplonCore
import Testing

struct TimeTests {
  @Test(arguments: [
    ("250ms", Duration.milliseconds(250)), ("30s", .seconds(30)), ("5m", .seconds(300)), ("2h", .seconds(7200)),
    ("7d", .seconds(604_800)), ("0s", .zero),
  ])
  func `a time is read with its unit and written the same`(text: String, duration: Duration) {
    #expect(Duration(parsing: text) == duration)
    #expect(duration.short == text)
  }

  @Test(arguments: ["", "5", "s", "1.5s", "-1s", "5 s", "99999999999999999999s", "1w", "٣s"])
  func `what is no time is nil`(text: String) {
    #expect(Duration(parsing: text) == nil)
  }

  @Test(arguments: [
    (Duration.seconds(Int64.max), Int64.max), (.seconds(Int64.min), .min), (.milliseconds(-1500), -1500),
    (.seconds(Int64.max / 1000) + .milliseconds(999), .max), (.microseconds(1999), 1),
  ])
  func `a time beyond what milliseconds can count is the last one they can`(duration: Duration, milliseconds: Int64) {
    #expect(duration.milliseconds == milliseconds)
  }

  @Test func `a backoff doubles to its cap and jitters above one half`() {
    let backoff = Backoff(base: .seconds(1), cap: .seconds(10))
    #expect(backoff.delay(attempt: 1, jitter: 1) == .seconds(1))
    #expect(backoff.delay(attempt: 3, jitter: 1) == .seconds(4))
    #expect(backoff.delay(attempt: 3, jitter: 0) == .seconds(2))
    #expect(backoff.delay(attempt: 5, jitter: 1) == .seconds(10))
    #expect(backoff.delay(attempt: .max, jitter: 1) == .seconds(10))
  }
}
