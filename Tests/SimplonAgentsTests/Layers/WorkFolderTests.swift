import Glibc
import SimplonCore
import Testing

@testable import SimplonAgents

@Suite(.serialized, .timeLimit(.minutes(2))) struct WorkFolderTests {
  private func layer(_ id: String, _ result: ToolResult, after: Set<String> = []) throws -> LayerStack.Layer {
    LayerStack.Layer(stepID: id, after: after, manifest: try #require(result.layer))
  }

  @Test(arguments: Setting.usable)
  func `a step finds exactly what the steps before it left`(_ setting: Setting) async throws {
    let playground = try await Playground(setting)
    let one = try await playground.shell(
      """
      mkdir -p d/e closed; echo one >d/e/f; printf '#!/bin/sh\\necho run\\n' >tool; chmod 755 tool; ln -s ../tool d/link
      echo secret >closed/x; chmod 400 closed/x; chmod 500 closed; echo gone >gone; echo keep >keep; mkdir empty
      """)
    let two = try await playground.shell(
      "rm gone; echo two >>d/e/f; ./tool; cat d/link | head -1; stat -c '%A %u %n' d/e/f closed closed/x empty keep; echo keep >keep",
      layers: [try layer("one", one)])
    #expect(two.error == nil, "\(two.stderr)")
    #expect(
      two.stdout == """
        run
        #!/bin/sh
        -rw-r--r-- 65534 d/e/f
        dr-x------ 65534 closed
        -r-------- 65534 closed/x
        drwxr-xr-x 65534 empty
        -rw-r--r-- 65534 keep

        """)
    // Same content again is no change.
    #expect(two.layer?.entries.keys.map(\.text).sorted() == ["d/e/f", "gone"])
    let three = try await playground.shell(
      "find . | sort; cat d/e/f", layers: [try layer("one", one), try layer("two", two, after: ["one"])])
    #expect(
      three.stdout == ".\n./closed\n./closed/x\n./d\n./d/e\n./d/e/f\n./d/link\n./empty\n./keep\n./tool\none\ntwo\n")
    #expect(three.layer == nil && three.layerHash == nil)
  }

  @Test func `a layer is stored and read back by its hash`() async throws {
    let playground = try await Playground()
    let result = try await playground.shell("echo x >x")
    let hash = try #require(result.layerHash)
    #expect(try await playground.blobs.layer(hash, for: nil) == result.layer)
  }

  @Test func `a change that keeps length and times is seen`() async throws {
    let playground = try await Playground()
    let one = try await playground.shell("printf aaaa >x; touch -d 2001-01-01 x")
    let two = try await playground.shell(
      "touch -r x ref; printf bbbb >x; touch -r ref x; rm ref", layers: [try layer("one", one)])
    #expect(two.layer?.entries.count == 1)
  }

  @Test(arguments: Setting.usable)
  func `no link leads out of the folder, neither of a file nor of a folder`(_ setting: Setting) async throws {
    let playground = try await Playground(setting)
    let secret = playground.folder.path + "/secret"
    mkdir(playground.folder.path + "/secrets", 0o755)
    for path in [secret, playground.folder.path + "/secrets/inner"] {
      try File(path, O_WRONLY | O_CREAT, mode: 0o644, for: "test").write(Array("swordfish".utf8))
    }
    let result = try await playground.shell(
      """
      ln -s \(secret) absolute; ln -s /etc/passwd passwd; ln -s ../../../secret up; ln -s ../../../secrets updir
      ln -s \(playground.folder.path)/secrets dir; ln -s /etc etc; ln -s self self; ln -s /proc/1/root root
      mkdir real; ln -s real twin; echo fine >twin/file
      """)
    let entries = try #require(result.layer).entries
    #expect(entries.count == 11)
    for (path, entry) in entries where !path.text.hasPrefix("real") {
      guard case .symlink = entry else { Issue.record("\(path) is \(entry)"); continue }
    }
    let layers = [try layer("one", result)]
    // Nothing but the one plain file is an artifact, and no blob holds the secret.
    #expect(try LayerStack(layers).view().artifacts(matching: ["**"]).map(\.path) == ["real/file"])
    for path in ["absolute", "up", "dir/inner", "updir/inner", "etc/passwd", "twin/file"] {
      let read = try await playground.call("files", ["op": "read", "path": .string(path)], layers: layers)
      #expect(read.error?.code == .toolPath, "\(path)")
      let write = try await playground.call(
        "files", ["op": "write", "path": .string(path + "/x"), "content": "x"], layers: layers)
      #expect(write.error?.code == .toolPath, "\(path)")
    }
    // Built again for the next step, the links are links and lead nowhere.
    let next = try await playground.shell("cat absolute dir/inner updir/inner up; cat twin/file", layers: layers)
    #expect(next.stdout == "fine\n")
    #expect(next.layer == nil)
    // Written through, they change nothing outside.
    _ = try await playground.shell("echo x >absolute; echo x >dir/new; echo x >updir/new", layers: layers)
    let names = try File(playground.folder.path + "/secrets", O_RDONLY, for: "look").names().compactMap(\.text)
    #expect(names == ["inner"])
  }

  @Test func `pipes, sockets and names that are no text are left out with a warning`() async throws {
    let playground = try await Playground()
    let lines = Collected()
    let result = try await playground.python(
      """
      import os, socket
      os.mkfifo('pipe'); socket.socket(socket.AF_UNIX).bind('socket'); open(b'bad\\xff','w').close(); open('good','w').close()
      os.symlink(b'\\xff', 'badlink')
      """
    ) { lines.add($0) }
    #expect(result.layer?.entries.keys.map(\.text) == ["good"])
    #expect(lines.all.filter { $0.level == "warn" }.count == 4)
  }

  @Test func `a folder that the program closed behind itself is read all the same`() async throws {
    let result = try await Playground().shell("mkdir d; echo x >d/x; chmod 000 d/x d .")
    #expect(result.error == nil && result.layer?.entries.keys.map(\.text).sorted() == ["d", "d/x"])
  }

  @Test func `more files than allowed fail the step`() async throws {
    let playground = try await Playground { $0.workFiles = 100 }
    let result = try await playground.shell("i=0; while [ $i -lt 150 ]; do : >f$i; i=$((i+1)); done")
    #expect(result.error?.code == .toolLimit)
    #expect(result.layer == nil)
  }

  @Test func `the files of a program that failed are kept`() async throws {
    let result = try await Playground().shell("echo x >x; exit 1")
    #expect(result.error?.code == .toolFailed)
    #expect(result.layer?.entries.count == 1)
  }

  @Test func `parallel steps that disagree fail the step that joins them`() async throws {
    let playground = try await Playground()
    let left = try await playground.shell("echo left >x")
    let right = try await playground.shell("echo right >x")
    let joined = try await playground.shell("cat x", layers: [try layer("left", left), try layer("right", right)])
    #expect(joined.error?.code == .runArtifactConflict)
    #expect(joined.error?.details?["path"] == "x")
  }

  @Test func `a missing or cut blob is a fault of the machine and not of the step`() async throws {
    let playground = try await Playground()
    let one = try await playground.shell("echo hello >x")
    guard case .file(_, let blob)? = one.layer?.entries[try LayerPath("x")] else {
      throw SimplonError(.serverInternal, "no file")
    }
    let path = try playground.blobs.path(of: blob.sha256, for: nil)
    truncate(path, 1)
    let cut = await #expect(throws: SimplonError.self) {
      try await playground.shell("cat x", layers: [try layer("one", one)])
    }
    #expect(cut?.code == .storageDamaged)
    unlink(path)
    let missing = await #expect(throws: SimplonError.self) {
      try await playground.shell("cat x", layers: [try layer("one", one)])
    }
    #expect(missing?.code == .storageUnavailable)
  }
}
