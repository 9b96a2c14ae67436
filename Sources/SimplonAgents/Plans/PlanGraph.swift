import SimplonCore

/// Which step needs which, by the steps' positions in the plan.
struct PlanGraph: Sendable, Hashable {
  /// The steps that need a step.
  let dependants: [[Int]]
  /// Every step after all that it needs.
  let order: [Int]
  /// For each step the set of steps it needs, and theirs, as bits.
  private let ancestors: [[UInt64]]

  /// Makes the graph from what each step needs.
  ///
  /// - Throws: `plan.cycle`, naming the steps of one circle.
  init(ids: [String], needs: [[Int]]) throws(SimplonError) {
    var dependants = [[Int]](repeating: [], count: needs.count)
    for (step, needed) in needs.enumerated() { for other in needed { dependants[other].append(step) } }
    var unmet = needs.map(\.count)
    var order = unmet.indices.filter { unmet[$0] == 0 }
    var next = 0
    while next < order.count {
      for step in dependants[order[next]] {
        unmet[step] -= 1
        if unmet[step] == 0 { order.append(step) }
      }
      next += 1
    }
    guard order.count == needs.count else { throw Self.cycle(ids: ids, needs: needs, unmet: unmet) }

    var ancestors = [[UInt64]](repeating: [UInt64](repeating: 0, count: (needs.count + 63) / 64), count: needs.count)
    for step in order {
      var set = ancestors[step]
      for other in needs[step] {
        for word in set.indices { set[word] |= ancestors[other][word] }
        set[other / 64] |= 1 << UInt64(other % 64)
      }
      ancestors[step] = set
    }
    self.dependants = dependants
    self.order = order
    self.ancestors = ancestors
  }

  /// Whether a step needs another, directly or through others.
  func reaches(from step: Int, to other: Int) -> Bool { ancestors[step][other / 64] >> UInt64(other % 64) & 1 == 1 }

  /// Every step left over has an unmet need among the steps left over, so walking along those must come back.
  private static func cycle(ids: [String], needs: [[Int]], unmet: [Int]) -> SimplonError {
    var path = [Int]()
    var seen = [Int: Int]()
    var step = unmet.firstIndex { $0 > 0 }
    while let here = step, seen[here] == nil {
      seen[here] = path.count
      path.append(here)
      step = needs[here].first { unmet[$0] > 0 }
    }
    let start = step.flatMap { seen[$0] } ?? 0
    let circle = path[start...].map { ids[$0] }
    let shown = circle.prefix(10).joined(separator: " → ") + (circle.count > 10 ? " → …" : "")
    return SimplonError(
      .planCycle, "steps need each other in a circle: \(shown) → \(circle.first ?? "")",
      hint: "take one of them out of the `needs` of the step before it",
      details: ["cycle": .array(circle.map { .string($0) })])
  }
}
