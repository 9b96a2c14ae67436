import Glibc
import SimplonCore
import Testing

@testable import SimplonAgents

/// What a tool must not be able to use up.
@Suite(.serialized, .timeLimit(.minutes(2))) struct LimitTests {
  @Test(arguments: Setting.usable)
  func `a fork bomb stays small and is gone afterwards`(_ setting: Setting) async throws {
    let mark = uniqueMark()
    let playground = try await Playground(setting) { $0.processes = 40 }
    let result = try await playground.python(
      """
      import os, time
      made = 0
      try:
          while True:
              if os.fork() == 0:
                  os.execv('/bin/sleep', ['sleep', '\(mark)'])
              made += 1
      except OSError as e:
          print(made, e.errno)
      """)
    let words = result.stdout.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
    try #require(words.count == 2, "\(result.stdout) \(result.stderr)")
    #expect((5...40).contains(words[0]))
    #expect(words[1] == 11)
    #expect(processes(with: "sleep\0\(mark)").isEmpty)
  }

  @Test(arguments: Setting.usable)
  func `a fork bomb that never stops is killed at its time`(_ setting: Setting) async throws {
    let mark = uniqueMark()
    let playground = try await Playground(setting) { $0.processes = 40 }
    let start = ContinuousClock.now
    let result = try await playground.shell(
      "b() { b | b & }; echo \(mark) >/dev/null; while :; do b; done", timeout: .seconds(2))
    #expect(result.error?.code == .toolTimeout || result.error?.code == .toolFailed)
    #expect(ContinuousClock.now - start < .seconds(10))
    #expect(processes(with: playground.folder.path).isEmpty)
  }

  @Test(arguments: Setting.usable)
  func `two sandboxes have a count of processes each`(_ setting: Setting) async throws {
    let playground = try await Playground(setting) { $0.processes = 20 }
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait; echo all"
    async let one = playground.shell(script)
    async let two = playground.shell(script)
    #expect(try await one.stdout == "all\n")
    #expect(try await two.stdout == "all\n")
  }

  @Test(arguments: Setting.usable)
  func `memory is limited`(_ setting: Setting) async throws {
    let playground = try await Playground(setting) { $0.memory = 128 << 20 }
    let result = try await playground.python(
      "x = bytearray(400 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint('got it')")
    #expect(!result.stdout.contains("got it"))
    switch playground.sandbox.level.kind {
    case .cgroup1, .cgroup2: #expect(result.error?.code == .toolLimit)
    default: #expect(result.stderr.contains("MemoryError"))
    }
  }

  @Test(.enabled("needs a control group") { try await Playground.hasGroups })
  func `memory in use by all processes together is limited`() async throws {
    let playground = try await Playground { $0.memory = 128 << 20 }
    let result = try await playground.python(
      """
      import os, sys, time
      kids = []
      for n in range(6):
          pid = os.fork()
          if pid == 0:
              x = bytearray(40 << 20)
              for i in range(0, len(x), 4096): x[i] = 1
              time.sleep(1); os._exit(0)
          kids.append(pid)
      codes = [os.waitpid(k, 0)[1] for k in kids]
      sys.exit(1 if any(codes) else 0)
      """)
    #expect(result.error?.code == .toolLimit)
  }

  @Test(.enabled("needs a control group") { try await Playground.hasGroups })
  func `the control group has the limits`() async throws {
    let playground = try await Playground {
      $0.cpu = 200
      $0.memory = 100 << 20
      $0.processes = 33
    }
    let mark = uniqueMark()
    async let result = playground.shell("exec sleep \(mark)", timeout: .seconds(3))
    #expect(await eventually { !processes(with: "sleep\0\(mark)").isEmpty })
    for process in processes(with: "sleep\0\(mark)") {
      let text = try File("/proc/\(process)/cgroup", O_RDONLY, for: "look").read()
      var values = [String: String]()
      for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
        let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2].contains("simplon-") else { continue }
        for name in ["memory.limit_in_bytes", "pids.max", "cpu.cfs_quota_us", "memory.max", "cpu.max"] {
          let path = "/sys/fs/cgroup/\(parts[1])\(parts[2])/\(name)"
          guard let bytes = try? File(path, O_RDONLY, for: "look").read() else { continue }
          values[name] = String(decoding: bytes, as: UTF8.self)
        }
      }
      #expect(values["pids.max"] == "33\n")
      #expect((values["memory.limit_in_bytes"] ?? values["memory.max"]) == "104857600\n")
      #expect(values["cpu.cfs_quota_us"] == "20000\n" || values["cpu.max"] == "20000 100000\n")
    }
    _ = try await result
  }

  @Test(arguments: Setting.usable)
  func `a flood of output is cut and does not block the tool`(_ setting: Setting) async throws {
    let playground = try await Playground(setting) { $0.output = 1 << 20 }
    let lines = Collected()
    let result = try await playground.shell("head -c 100000000 /dev/zero | tr '\\0' a; echo done >&2") { lines.add($0) }
    #expect(result.error == nil)
    #expect(result.output["truncated"] == true)
    #expect(result.stdout.utf8.count == ProgramOutputs.limit)
    #expect(result.stderr == "done\n")
    let all = lines.all
    #expect(all.filter { $0.level == "info" }.reduce(0) { $0 + $1.text.utf8.count } == 1 << 20)
    #expect(all.contains { $0.level == "warn" && $0.stream == "stdout" })
  }

  @Test(arguments: [65_536, 65_537])
  func `the output is whole up to its limit and cut after it`(_ count: Int) async throws {
    let playground = try await Playground { $0.output = 65_536 }
    let result = try await playground.shell("head -c \(count) /dev/zero | tr '\\0' a")
    #expect(result.stdout.utf8.count == 65_536)
    #expect(result.output["truncated"] == .bool(count > 65_536))
  }

  @Test func `a flood of empty lines is cut sooner, and the output keeps them`() async throws {
    let playground = try await Playground { $0.output = 1 << 18 }
    let lines = Collected()
    let result = try await playground.shell("yes '' | head -c 200000") { lines.add($0) }
    #expect(result.stdout == String(repeating: "\n", count: 200_000) && result.output["truncated"] == false)
    #expect(lines.all.count == (1 << 18) / LogLineSplitter.leastCost + 1)
    #expect(lines.all.last?.level == "warn" && lines.all.last?.text.contains("not logged") == true)
  }

  @Test(arguments: [
    "head -c 500000000 /dev/zero >big", "for i in 1 2 3 4; do head -c 15000000 /dev/zero >f$i; done; sleep 20",
    "i=0; while [ $i -lt 3000 ]; do : >f$i; i=$((i+1)); done; sleep 20",
    "python3 -c 'import os\nfor i in range(80): os.mkdir(\"d\"); os.chdir(\"d\")'; sleep 20",
    "mkdir d; chmod 000 d; sleep 2", "for i in 1 2 3; do truncate -s 20000000 s$i; done; sleep 20",
  ])
  func `the work folder is limited`(_ script: String) async throws {
    for setting in Setting.usable where setting != .rlimits {
      let playground = try await Playground(setting) {
        $0.workBytes = 32 << 20
        $0.workFiles = 1000
      }
      let start = ContinuousClock.now
      let result = try await playground.shell(script)
      // As root the guard may read a closed folder and counts what is in it.
      if script.contains("chmod"), setting == .best, result.error == nil { continue }
      #expect(result.error?.code == .toolLimit || result.exitCode == 153, "\(result.stderr)")
      #expect(ContinuousClock.now - start < .seconds(10))
      if result.error?.code == .toolLimit { #expect(result.layer == nil) }
    }
  }

  @Test(arguments: Setting.usable)
  func `removed files that are still open count`(_ setting: Setting) async throws {
    let playground = try await Playground(setting) { $0.workBytes = 32 << 20 }
    // By a grandchild, with nothing in the folder.
    let result = try await playground.python(
      """
      import os, time
      if os.fork() == 0 and os.fork() == 0:
          files = []
          for i in range(4):
              files.append(open('u', 'wb'))
              os.unlink('u')
              files[-1].write(bytes(12 << 20))
              files[-1].flush()
          time.sleep(20)
      time.sleep(20)
      """)
    #expect(result.error?.code == .toolLimit && result.error?.message.contains("more bytes") == true)
  }

  @Test(arguments: Setting.usable)
  func `a removed file counts once, however many have it, and what is in memory does not`(_ setting: Setting)
    async throws
  {
    let playground = try await Playground(setting) { $0.workBytes = 32 << 20 }
    let result = try await playground.python(
      """
      import os, threading, time
      files = []
      for path in ('u', '/tmp/u', '/dev/shm/u'):
          files.append(open(path, 'wb'))
          os.unlink(path)
          files[-1].write(bytes(20 << 20))
          files[-1].flush()
      threading.Thread(target=lambda: time.sleep(1)).start()
      for i in range(4):
          if os.fork() == 0:
              time.sleep(1)
              os._exit(0)
      time.sleep(1)
      print('done')
      """)
    #expect(result.error == nil && result.stdout == "done\n", "\(result.stderr)")
  }

  @Test func `what nobody can see still may not fill the disk`() async throws {
    // More than any disk has free: as if the tool's removed file had taken all.
    let playground = try await Playground { $0.minimumFree = 1 << 60 }
    #expect(playground.sandbox.level.kind == .none)
    #expect(playground.sandbox.level.reason?.contains("almost full") == true)
  }

  @Test(arguments: ["/tmp", "/dev/shm"], Setting.usable)
  func `memory folders are limited`(_ place: String, _ setting: Setting) async throws {
    let playground = try await Playground(setting) { $0.temporary = 4 << 20 }
    let result = try await playground.shell("head -c 20000000 /dev/zero >\(place)/x || true; stat -c %s \(place)/x")
    #expect((Int(result.stdout.split(separator: "\n").first ?? "") ?? .max) <= 4 << 20, "\(result.stdout)")
    #expect(result.stderr.contains("No space left on device"))
  }

  @Test func `there are few descriptors and no core files`() async throws {
    let result = try await Playground { $0.descriptors = 100 }.shell("ulimit -n; ulimit -c; ulimit -H -n")
    #expect(result.stdout == "100\n0\n100\n")
  }

  @Test(arguments: Setting.usable)
  func `each process has little of what the machine has little of`(_ setting: Setting) async throws {
    let playground = try await Playground(setting) {
      $0.workBytes = 32 << 20
      $0.cpu = 2000
    }
    let result = try await playground.python(
      """
      import resource as r
      for name in ('FSIZE', 'CPU', 'MEMLOCK', 'MSGQUEUE', 'NICE'): print(*r.getrlimit(getattr(r, 'RLIMIT_' + name)))
      print(open('/proc/self/oom_score_adj').read())
      """, timeout: .seconds(10))
    let numbers = result.stdout.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
    try #require(numbers.count == 11, "\(result.stdout) \(result.stderr)")
    // Ten seconds on two processors, and five to spare.
    #expect(Array(numbers[..<4]) == [32 << 20, 32 << 20, 25, 25])
    #expect(numbers[4] == numbers[5] && (0...1 << 20).contains(numbers[4]))
    #expect(Array(numbers[6...]) == [0, 0, 0, 0, 900])
  }

  @Test(arguments: Setting.usable)
  func `no handler of core dumps is started and nothing is more urgent than the server`(_ setting: Setting) async throws
  {
    let result = try await Playground(setting).python(
      """
      import os, resource as r
      print(r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_RTPRIO), r.getrlimit(r.RLIMIT_SIGPENDING), os.nice(0) >= 10)
      try: os.nice(-1)
      except OSError as e: print(e.errno)
      """)
    #expect(result.stdout == "(1, 1) (0, 0) (1024, 1024) True\n1\n" || result.stdout.hasSuffix("True\n13\n"))
    #expect(result.stdout.hasPrefix("(1, 1) (0, 0) (1024, 1024)"), "\(result.stdout) \(result.stderr)")
  }

  @Test(arguments: Setting.usable)
  func `memory that belongs to no process is refused where no control group counts it`(_ setting: Setting)
    async throws
  {
    let playground = try await Playground(setting)
    let result = try await playground.python(
      """
      import ctypes, os
      libc = ctypes.CDLL(None, use_errno=True)
      try: os.memfd_create('x'); print('memfd')
      except OSError as e: print(e.errno)
      print(libc.shmget(0, 4096, 0o1600) >= 0, libc.msgget(0, 0o1600) >= 0, libc.semget(0, 1, 0o1600) >= 0)
      """)
    let isCounted = playground.sandbox.level.kind != .rlimits
    #expect(result.stdout == (isCounted ? "memfd\nTrue True True\n" : "1\nFalse False False\n"), "\(result.stderr)")
  }
}
