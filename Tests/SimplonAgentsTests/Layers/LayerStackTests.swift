import SimplonCore
import Synchronization
import Testing

@testable import SimplonAgents

extension LayerStack.Layer {
  /// A layer of a step that needs exactly these others.
  init(stepID: String, after: Set<String>, manifest: LayerManifest) {
    self.init(stepID: stepID, manifest: manifest) { after.contains($0) }
  }
}

struct LayerStackTests {
  private func file(_ text: String) -> LayerEntry {
    .file(mode: 0o644, blob: Blob(sha256: String(repeating: text, count: 64), size: 1))
  }

  private func layer(_ id: String, after: Set<String> = [], _ entries: [String: LayerEntry]) throws -> LayerStack.Layer
  {
    LayerStack.Layer(
      stepID: id, after: after,
      manifest: LayerManifest(Dictionary(uniqueKeysWithValues: try entries.map { (try LayerPath($0), $1) })))
  }

  private func paths(_ layers: [LayerStack.Layer]) throws -> [String: LayerEntry] {
    Dictionary(uniqueKeysWithValues: try LayerStack(layers).view().entries.map { ($0.key.text, $0.value) })
  }

  @Test func `a later step's files win over those it saw`() throws {
    let layers = [
      try layer("a", ["x": file("1"), "y": file("1")]),
      try layer("b", after: ["a"], ["x": file("2"), "z": file("2")]),
      try layer("c", after: ["a", "b"], ["y": .deleted, "x": file("3")]),
    ]
    #expect(try paths(layers) == ["x": file("3"), "z": file("2")])
  }

  @Test func `parallel steps that left the same agree`() throws {
    #expect(try paths([layer("a", ["x": file("1")]), layer("b", ["x": file("1")])]) == ["x": file("1")])
    #expect(
      try paths([
        layer("a", ["d": .directory(mode: 0o755), "d/x": file("1")]),
        layer("b", ["d": .directory(mode: 0o755), "d/y": file("2")]),
      ])
      .count == 3)
  }

  @Test func `of two that are in an order, the later one's wish for a folder holds`() throws {
    let base = try layer("base", ["d": .directory(mode: 0o700), "d/old": file("0")])
    let gone: [String: LayerEntry] = ["d": .deleted, "d/old": .deleted]
    let made: [String: LayerEntry] = ["d/new": file("1")]
    let kept = try paths([base, layer("a", after: ["base"], gone), layer("b", after: ["a", "base"], made)])
    #expect(kept == ["d": .directory(mode: 0o755), "d/new": file("1")])
    let removed = try paths([base, layer("a", after: ["base"], made), layer("b", after: ["a", "base"], gone)])
    #expect(removed == [:])
  }

  @Test(arguments: [0, 1, 2, 3, 4, 5])
  func `parallel steps that left different things conflict by name`(_ variant: Int) throws {
    let base = try layer("base", ["d": .directory(mode: 0o755), "d/old": file("0"), "x": file("0")])
    let one: [String: LayerEntry]
    let other: [String: LayerEntry]
    var path = "x"
    switch variant {
    case 0: (one, other) = (["x": file("1")], ["x": file("2")])
    case 1: (one, other) = (["x": .deleted], ["x": file("2")])
    case 2: (one, other) = (["x": .symlink(target: "a")], ["x": file("2")])
    case 3: (one, other, path) = (["d": .symlink(target: "/etc"), "d/old": .deleted], ["d/new": file("2")], "d/new")
    case 4: (one, other, path) = (["d": .deleted, "d/old": .deleted], ["d/new": file("2")], "d/new")
    default: (one, other, path) = (["d": file("1"), "d/old": .deleted], ["d/new": file("2")], "d/new")
    }
    let layers = [base, try layer("left", after: ["base"], one), try layer("right", after: ["base"], other)]
    let error = #expect(throws: SimplonError.self) { try LayerStack(layers).view() }
    #expect(error?.code == .runArtifactConflict)
    #expect(error?.details == ["path": .string(path), "steps": ["left", "right"]])
    // A step that joins them and settles the matter has settled it.
    let joined =
      layers + [
        try layer(
          "join", after: ["base", "left", "right"],
          ["x": file("9"), "d": .deleted, "d/old": .deleted, "d/new": .deleted])
      ]
    #expect(try paths(joined) == ["x": file("9")])
  }

  /// How often a step was asked what it needs.
  private final class Questions: Sendable {
    let count = Mutex(0)
  }

  private func stack(_ steps: Int, _ questions: Questions, _ manifest: (Int) throws -> LayerManifest) throws
    -> LayerStack
  {
    LayerStack(
      try (0..<steps).map { index in
        LayerStack.Layer(stepID: String(index), manifest: try manifest(index)) { other in
          questions.count.withLock { $0 += 1 }
          return Int(other).map { $0 < index } ?? false
        }
      })
  }

  @Test func `joining layers takes as many questions as there are layers, not their square`() throws {
    let path = try LayerPath("f")
    let questions = Questions()
    // Each writes it anew; each makes it like the others; by turns.
    for kinds in [1000, 1, 2] {
      questions.count.withLock { $0 = 0 }
      let layers = try stack(1000, questions) { LayerManifest([path: .symlink(target: String($0 % kinds))]) }
      #expect(try layers.view().entries == [path: .symlink(target: String(999 % kinds))])
      #expect(questions.count.withLock { $0 } < 1000)
    }
  }

  @Test func `a step that agrees with what overrides it covers no more than that does`() throws {
    // `c` sees `b` and `a`; `d` saw neither of them and left something else.
    let layers = [
      try layer("a", ["x": file("1")]), try layer("b", after: ["a"], ["x": file("2")]),
      try layer("d", ["x": file("3")]), try layer("c", after: ["a", "b"], ["x": file("1")]),
    ]
    let error = #expect(throws: SimplonError.self) { try LayerStack(layers).view() }
    #expect(error?.details == ["path": "x", "steps": ["c", "d"]])
    #expect(try paths([layers[0], layers[1], layers[3]]) == ["x": file("1")])
  }

  @Test func `it is enough that one of several that agree has seen what they override`() throws {
    // `c` saw nothing and left by itself what `b` made of the file of `a`.
    let layers = [
      try layer("a", ["x": file("1")]), try layer("b", after: ["a"], ["x": file("2")]),
      try layer("c", ["x": file("2")]),
    ]
    #expect(try paths(layers) == ["x": file("2")])
    #expect(throws: SimplonError.self) { try paths([layers[0], layers[2]]) }
  }

  @Test func `of several conflicts the first path's is named`() throws {
    let names = (10..<60).map { "f\($0)" }
    func layer(_ id: String) throws -> LayerStack.Layer {
      try self.layer(id, Dictionary(uniqueKeysWithValues: names.map { ($0, .symlink(target: id)) }))
    }
    let error = #expect(throws: SimplonError.self) { try LayerStack([layer("a"), layer("b")]).view() }
    #expect(error?.details == ["path": "f10", "steps": ["a", "b"]])
  }

  @Test func `two spellings that look alike are two files`() throws {
    let one = "\u{E9}"
    let two = "e\u{301}"
    #expect(one == two)
    let view = try LayerStack([
      layer("a", [:]),
      LayerStack.Layer(
        stepID: "b", after: [],
        manifest: LayerManifest([try LayerPath(one): file("1"), try LayerPath(two): file("2")])),
    ]).view()
    #expect(view.entries.count == 2)
    let manifest = LayerManifest(view.entries)
    #expect(try LayerManifest(json: JSON(parsing: manifest.json.utf8)).entries.count == 2)
  }

  @Test func `a manifest is canonical and read back`() throws {
    let manifest = LayerManifest([
      try LayerPath("a"): .directory(mode: 0o755), try LayerPath("a/b"): file("b"),
      try LayerPath("l"): .symlink(target: "../x"),
      try LayerPath("gone"): .deleted,
    ])
    #expect(
      manifest.json.text == """
        {"entries":[{"kind":"directory","mode":493,"path":"a"},{"kind":"file","mode":420,"path":"a/b",\
        "sha256":"\(String(repeating: "b", count: 64))","size":1},{"kind":"deleted","path":"gone"},\
        {"kind":"symlink","path":"l","target":"../x"}],"v":1}
        """)
    #expect(try LayerManifest(json: JSON(parsing: manifest.json.utf8)) == manifest)
  }

  @Test(arguments: [
    "{}", #"{"v":2,"entries":[]}"#, #"{"v":1,"entries":[{"path":"../x","kind":"deleted"}]}"#,
    #"{"v":1,"entries":[{"path":"x","kind":"file","mode":420,"size":1,"sha256":"../../x"}]}"#,
    #"{"v":1,"entries":[{"path":"x","kind":"file","mode":2541,"size":1,"sha256":""}]}"#,
    #"{"v":1,"entries":[{"path":"x","kind":"pipe"}]}"#, #"{"v":1,"entries":[{"path":"x","kind":"symlink"}]}"#,
    #"{"v":1,"entries":[{"path":"x","kind":"deleted"},{"path":"x","kind":"deleted"}]}"#,
    #"{"v":1,"entries":[],"more":1}"#, #"{"v":1,"entries":{}}"#,
  ])
  func `a damaged manifest is refused`(_ text: String) throws {
    let json = try JSON(parsing: text)
    let error = #expect(throws: SimplonError.self) { try LayerManifest(json: json) }
    #expect(error?.code == .storageDamaged)
  }

  @Test(arguments: [
    "", "/etc/passwd", "..", "a/../b", "a//b", "a/", "./a", "a/.", "a\0b", String(repeating: "x", count: 256),
    Array(repeating: "d", count: 65).joined(separator: "/"),
    Array(repeating: String(repeating: "x", count: 200), count: 11).joined(separator: "/"),
  ])
  func `a path that leaves the folder or is none is refused`(_ text: String) {
    let error = #expect(throws: SimplonError.self) { try LayerPath(text) }
    #expect(error?.code == .toolPath)
  }

  @Test(arguments: ["a", "a/b", "..a", "a..", "...", "-rf", " ", "a b/ü", ".hidden"])
  func `a path within the folder is taken as it is`(_ text: String) throws {
    #expect(try LayerPath(text).text == text)
  }

  @Test func `paths know what lies below them`() throws {
    let folder = try LayerPath("a/b")
    #expect(try LayerPath("a/b/c").isBelow(folder))
    #expect(try !LayerPath("a/bc").isBelow(folder))
    #expect(!folder.isBelow(folder))
    #expect(try folder.parent == LayerPath("a"))
    #expect(try LayerPath("a").parent == nil)
    #expect(try LayerPath("a") < folder)
  }

  @Test func `artifacts are the plain files that a pattern matches`() throws {
    let view = try LayerStack([
      layer(
        "a",
        [
          "report.md": file("1"), "out": .directory(mode: 0o755), "out/chart.svg": file("2"),
          "out/link.svg": .symlink(target: "/etc/passwd"),
          "x.bin": file("3"),
        ])
    ]).view()
    #expect(
      try view.artifacts(matching: ["**/*.svg", "report.md", "out"]).map(\.path) == ["out/chart.svg", "report.md"])
    #expect(
      try view.artifacts(matching: ["**"]).map(\.mime) == [
        "image/svg+xml", "text/markdown; charset=utf-8", "application/octet-stream",
      ])
    #expect(try view.artifacts(matching: []).isEmpty)
    let error = #expect(throws: SimplonError.self) { try view.artifacts(matching: ["../*"]) }
    #expect(error?.code == .planInvalid)
  }
}
