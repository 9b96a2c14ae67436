#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Runs `body` on a thread of its own, which ends with it.
///
/// For what blocks: the event loop, connecting (name look-up included) and cancelling, which libpq can only do so.
///
/// - Returns: false when the system gives this process no more threads.
@discardableResult
func startThread(_ body: @escaping @Sendable () -> Void) -> Bool {
  let box = Unmanaged.passRetained(ThreadBody(body))
  #if canImport(Glibc)
    var thread = pthread_t()
    let status = pthread_create(&thread, nil, { runThreadBody($0) }, box.toOpaque())
    if status == 0 { pthread_detach(thread) }
  #else
    var thread: pthread_t?
    let status = pthread_create(&thread, nil, { runThreadBody($0) }, box.toOpaque())
    if status == 0, let thread { pthread_detach(thread) }
  #endif
  if status != 0 { box.release() }
  return status == 0
}

private func runThreadBody(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  if let context { Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().body() }
  return nil
}

private final class ThreadBody: Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
