import CoreFoundation
import FoundationEssentials
import Glibc
import SimplonCore
import Testing

@testable import SimplonAgents

/// How sandboxes end, and that nothing of them stays.
@Suite(.serialized, .timeLimit(.minutes(2))) struct LifeTests {
  /// Leaves processes behind in every way there is: in a session of their own, twice removed, deaf to polite signals.
  static func orphans(_ mark: String) -> String {
    """
    trap '' TERM HUP INT
    setsid sh -c 'trap "" TERM HUP; sleep \(mark)' >/dev/null 2>&1 &
    (setsid sh -c '(setsid sleep \(mark) &) ; sleep \(mark)' &) >/dev/null 2>&1
    (sleep \(mark) &)
    until [ "$(grep -l 'sleep' /proc/[0-9]*/comm 2>/dev/null | wc -l)" -ge 1 ]; do :; done
    sleep 0.3
    echo ready
    """
  }

  @Test(arguments: Setting.usable)
  func `a program that ends takes along all that it started`(_ setting: Setting) async throws {
    let mark = uniqueMark()
    let result = try await Playground(setting).shell(Self.orphans(mark) + "\nexit 3")
    #expect(result.stdout == "ready\n")
    #expect(result.exitCode == 3)
    #expect(processes(with: mark).isEmpty)
  }

  @Test(arguments: Setting.usable)
  func `a program that takes too long is killed with all that it started`(_ setting: Setting) async throws {
    let mark = uniqueMark()
    let start = ContinuousClock.now
    let result = try await Playground(setting).shell(
      Self.orphans(mark) + "\nwhile :; do sleep 1; done", timeout: .seconds(2))
    #expect(result.error?.code == .toolTimeout)
    #expect(result.exitCode == 137)
    #expect(result.stdout == "ready\n")
    #expect(ContinuousClock.now - start < .seconds(4))
    #expect(processes(with: mark).isEmpty)
  }

  @Test(arguments: [
    ("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("nonsense-command", 127),
  ])
  func `exit codes come back as a shell has them`(_ script: String, _ code: Int) async throws {
    let result = try await Playground().shell(script)
    #expect(result.exitCode == code)
    #expect(result.error?.code == (code == 0 ? nil : .toolFailed))
  }

  @Test(arguments: Setting.usable)
  func `a cancelled call throws when nothing of it is alive`(_ setting: Setting) async throws {
    let playground = try await Playground(setting)
    let mark = uniqueMark()
    let task = Task { try await playground.shell(Self.orphans(mark) + "\nsleep \(mark)") }
    #expect(await eventually { processes(with: "sleep\0\(mark)").count >= 4 })
    let start = ContinuousClock.now
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(processes(with: mark).isEmpty)
    #expect(processes(with: playground.folder.path).isEmpty)
    #expect(ContinuousClock.now - start < .seconds(2))
  }

  @Test func `a call that is cancelled before it starts throws too`() async throws {
    let playground = try await Playground()
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await playground.shell("echo")
    }
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test func `a lease that is extended keeps the program alive`() async throws {
    let lease = Lease()
    lease.extend(by: .milliseconds(600), from: Lease.now())
    let playground = try await Playground()
    lease.extend(by: .milliseconds(600), from: Lease.now())
    let keeper = Task {
      while !Task.isCancelled {
        lease.extend(by: .milliseconds(600), from: Lease.now())
        try await Task.sleep(for: .milliseconds(100))
      }
    }
    defer { keeper.cancel() }
    #expect(try await playground.shell("sleep 2; echo alive", lease: lease).stdout == "alive\n")
  }

  @Test(arguments: [true, false])
  func `a lease that ends or is revoked ends the program`(_ revoked: Bool) async throws {
    let playground = try await Playground()
    let mark = uniqueMark()
    let lease = Lease()
    lease.extend(by: revoked ? .seconds(60) : .seconds(1), from: Lease.now())
    let start = ContinuousClock.now
    let task = Task { try await playground.shell("sleep \(mark)", lease: lease) }
    if revoked {
      #expect(await eventually { !processes(with: "sleep\0\(mark)").isEmpty })
      lease.revoke()
    }
    let error = await #expect(throws: SimplonError.self) { try await task.value }
    #expect(error?.code == .runStale)
    #expect(processes(with: mark).isEmpty)
    #expect(ContinuousClock.now - start < .seconds(4))
  }

  @Test func `a sandbox is known by its run and epoch as long as it lives`() async throws {
    let playground = try await Playground()
    let run = HeldRun(id: UUID(), epoch: 7)
    let lease = Lease(name: run.name)
    lease.extend(by: .seconds(60), from: Lease.now())
    let folder = playground.folder.path + "/running"
    let task = Task { try await playground.shell("sleep 60", lease: lease) }
    #expect(await eventually { SandboxGuards.runs(in: folder).values.contains(run) })
    #expect(SandboxGuards.runs(in: folder + "/other").isEmpty)
    lease.revoke()
    _ = await task.result
    #expect(SandboxGuards.runs(in: folder).isEmpty)
    #expect(HeldRun(name: run.name) == run && HeldRun(name: "7") == nil && HeldRun(name: "x/7") == nil)
  }

  @Test func `a lease that has run out starts nothing`() async throws {
    let playground = try await Playground()
    let error = await #expect(throws: SimplonError.self) { try await playground.shell("echo", lease: Lease()) }
    #expect(error?.code == .runStale)
  }

  @Test(.enabled("needs a control group") { try await Playground.hasGroups })
  func `no control group stays`() async throws {
    let before = Set(abandonedGroups())
    let playground = try await Playground()
    _ = try await playground.shell("sleep 0.2")
    _ = try await playground.shell("sleep 30", timeout: .milliseconds(300))
    #expect(await eventually { before.isSuperset(of: abandonedGroups()) })
  }

  @Test(.enabled("needs a control group") { try await Playground.hasGroups })
  func `groups of guards that another namespace counts are left alone`() async throws {
    let playground = try await Playground()
    let mark = uniqueMark()
    let task = Task { try await playground.shell("exec sleep \(mark)") }
    #expect(await eventually { !processes(with: "sleep\0\(mark)").isEmpty })
    let process = try #require(processes(with: "sleep\0\(mark)").first)
    let group = try #require(controlGroups(of: "\(process)").first { $0.contains("/simplon-") })
    var info = stat()
    try #require(stat("/proc/self/ns/pid", &info) == 0)
    let start = try #require(group.firstRange(of: "/simplon-"))
    #expect(group[start.upperBound...].hasPrefix("\(info.st_ino)-"))
    // No process has that number, here.
    let own = "\(group[..<start.upperBound])\(info.st_ino)-999999999"
    let other = "\(group[..<start.upperBound])1-999999999"
    for path in [own, other] { try #require(mkdir(path, 0o755) == 0) }
    defer { rmdir(other) }
    _ = try await playground.shell("true")
    #expect(access(own, F_OK) != 0 && access(other, F_OK) == 0)
    task.cancel()
    _ = try? await task.value
  }

  @Test func `nothing of a step's folder stays`() async throws {
    for setting in Setting.usable {
      let playground = try await Playground(setting)
      _ = try await playground.shell("mkdir -p a/b/c; echo x >a/b/c/d; ln -s / a/root; chmod 000 a/b")
      let names = try File("\(playground.folder.path)/running", O_RDONLY, for: "look").names().compactMap(\.text)
      for name in names {
        let left = try File("\(playground.folder.path)/running/\(name)", O_RDONLY, for: "look").names().compactMap(
          \.text)
        #expect(left == [".lock"])
      }
    }
  }

  @Test func `a folder that nests deeper than descriptors reach is removed`() throws {
    let outer = try TemporaryFolder()
    let top = outer.path + "/deep"
    mkdir(top, 0o700)
    var at = open(top, O_RDONLY | O_DIRECTORY)
    for _ in 0..<20_000 {
      mkdirat(at, "d", 0o700)
      let next = openat(at, "d", O_RDONLY | O_DIRECTORY)
      close(at)
      at = next
    }
    try #require(at >= 0)
    close(openat(at, "file", O_WRONLY | O_CREAT, 0o600))
    close(at)
    FolderRemoval.remove(top)
    #expect(access(top, F_OK) != 0)
  }

  @Test func `each kill is counted by its reason`() async throws {
    let counts = Counts()
    let playground = try await Playground(metrics: counts) {
      $0.workFiles = 100
    }
    _ = try await playground.shell("exit 1")
    #expect(counts.all.isEmpty)
    _ = try await playground.shell("sleep 30", timeout: .milliseconds(200))
    _ = try await playground.shell("i=0; while [ $i -lt 200 ]; do : >f$i; i=$((i+1)); done; sleep 30")
    let mark = uniqueMark()
    let task = Task { try await playground.shell("sleep \(mark)") }
    #expect(await eventually { !processes(with: "sleep\0\(mark)").isEmpty })
    task.cancel()
    _ = try? await task.value
    #expect(counts.all == ["timeout", "disk", "cancelled"].map { "simplon_sandbox_kills_total reason=\($0)" })
  }

  @Test func `what a killed worker left is removed by the next one`() async throws {
    let folder = try TemporaryFolder()
    let abandoned = "\(folder.path)/worker-dead/0/work"
    for path in ["/worker-dead", "/worker-dead/0", "/worker-dead/0/work"] { mkdir(folder.path + path, 0o700) }
    close(open("\(folder.path)/worker-dead/.lock", O_CREAT | O_RDWR, 0o600))
    let one = try ScratchFolder(in: folder.path)
    #expect(access(abandoned, F_OK) != 0)
    let step = try one.make()
    // Another living worker leaves it alone.
    let other = try ScratchFolder(in: folder.path)
    #expect(access(step, F_OK) == 0)
    withExtendedLifetime((one, other)) {}
  }
}

/// The folders of a process's control groups that can be seen here.
func controlGroups(of process: String) -> [String] {
  let bytes = (try? File("/proc/\(process)/cgroup", O_RDONLY, for: "look").read()) ?? []
  return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
    let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3 else { return nil }
    let path = "/sys/fs/cgroup/\(parts[1])\(parts[2])"
    return access(path, F_OK) == 0 ? path : nil
  }
}

/// The control groups of guards, living and dead.
func guardsGroups() -> [String] {
  controlGroups(of: "self").flatMap { path in
    let names = (try? File(path, O_RDONLY | O_DIRECTORY, for: "look").names().compactMap(\.text)) ?? []
    return names.filter { $0.hasPrefix("simplon-") }.map { "\(path)/\($0)" }
  }
}

/// Control groups whose guard is gone.
func abandonedGroups() -> [String] {
  guardsGroups().filter { group in
    group.split(separator: "-").last.flatMap { pid_t($0) }.map { kill($0, 0) != 0 && errno == ESRCH } ?? false
  }
}
