import CLibpq

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What a socket is ready for.
struct Readiness: Equatable {
  var socket: Int32
  var canRead: Bool
  var canWrite: Bool
}

#if os(Linux)
  /// Tells which of many sockets are ready, and can be woken from any thread.
  final class Poller: Sendable {
    private let epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    private let wakeUp = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))

    init() {
      precondition(epoll >= 0 && wakeUp >= 0, "the system gives this process no more descriptors")
      control(EPOLL_CTL_ADD, wakeUp, writing: false)
    }

    deinit {
      close(epoll)
      close(wakeUp)
    }

    func add(_ socket: Int32) { control(EPOLL_CTL_ADD, socket, writing: false) }
    func change(_ socket: Int32, writing: Bool) { control(EPOLL_CTL_MOD, socket, writing: writing) }
    func remove(_ socket: Int32) { control(EPOLL_CTL_DEL, socket, writing: false) }

    /// Ends a ``wait(milliseconds:into:)`` that is under way, or the next one.
    func wake() { eventfd_write(wakeUp, 1) }

    /// Waits until a socket is ready, the poller is woken or the time is over (-1: no limit).
    func wait(milliseconds: Int32, into ready: inout [Readiness]) {
      ready.removeAll(keepingCapacity: true)
      withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: 64) { events in
        let count = epoll_wait(epoll, events.baseAddress, 64, milliseconds)
        for event in events.prefix(Int(max(0, count))) {
          if event.data.fd == wakeUp {
            var ignored: eventfd_t = 0
            eventfd_read(wakeUp, &ignored)
          } else {
            let canWrite = event.events & EPOLLOUT.rawValue != 0
            let canRead = event.events & (EPOLLIN.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0
            ready.append(Readiness(socket: event.data.fd, canRead: canRead, canWrite: canWrite))
          }
        }
      }
    }

    private func control(_ operation: Int32, _ socket: Int32, writing: Bool) {
      var event = epoll_event()
      event.events = EPOLLIN.rawValue | (writing ? EPOLLOUT.rawValue : 0)
      event.data.fd = socket
      epoll_ctl(epoll, operation, socket, &event)
    }
  }
#else
  import Synchronization

  /// Tells which of many sockets are ready, and can be woken from any thread.
  final class Poller: Sendable {
    private let pipe: (read: Int32, write: Int32)
    private let sockets = Mutex([Int32: Bool]())  // socket → whether to wait for writing too

    init() {
      var ends: [Int32] = [-1, -1]
      precondition(Darwin.pipe(&ends) == 0, "the system gives this process no more descriptors")
      for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
      pipe = (ends[0], ends[1])
    }

    deinit {
      close(pipe.read)
      close(pipe.write)
    }

    func add(_ socket: Int32) { sockets.withLock { $0[socket] = false } }
    func change(_ socket: Int32, writing: Bool) { sockets.withLock { $0[socket] = writing } }
    func remove(_ socket: Int32) { _ = sockets.withLock { $0.removeValue(forKey: socket) } }

    /// Ends a ``wait(milliseconds:into:)`` that is under way, or the next one.
    func wake() { _ = withUnsafeBytes(of: UInt8(1)) { write(pipe.write, $0.baseAddress, 1) } }

    /// Waits until a socket is ready, the poller is woken or the time is over (-1: no limit).
    func wait(milliseconds: Int32, into ready: inout [Readiness]) {
      ready.removeAll(keepingCapacity: true)
      var list = [pollfd(fd: pipe.read, events: Int16(POLLIN), revents: 0)]
      sockets.withLock {
        for (socket, writing) in $0 {
          list.append(pollfd(fd: socket, events: Int16(POLLIN | (writing ? POLLOUT : 0)), revents: 0))
        }
      }
      guard poll(&list, nfds_t(list.count), milliseconds) > 0 else { return }
      for entry in list where entry.revents != 0 {
        if entry.fd == pipe.read {
          var bytes = [UInt8](repeating: 0, count: 64)
          while read(pipe.read, &bytes, bytes.count) > 0 {}
        } else {
          let canRead = Int32(entry.revents) & (POLLIN | POLLHUP | POLLERR) != 0
          ready.append(
            Readiness(socket: entry.fd, canRead: canRead, canWrite: Int32(entry.revents) & POLLOUT != 0))
        }
      }
    }
  }
#endif
