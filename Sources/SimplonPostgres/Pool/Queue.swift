/// First in, first out, without moving the rest at each removal.
struct Queue<Element> {
  private var items = [Element?]()
  private var head = 0

  var count: Int { items.count - head }
  var isEmpty: Bool { count == 0 }
  var first: Element? { head < items.count ? items[head] : nil }

  func contains(where isWanted: (Element) -> Bool) -> Bool {
    items[head...].contains { item in item.map(isWanted) ?? false }
  }

  mutating func append(_ item: Element) { items.append(item) }

  @discardableResult
  mutating func popFirst() -> Element? {
    guard head < items.count else { return nil }
    let item = items[head]
    items[head] = nil
    head += 1
    if head == items.count {
      items.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= 64, head * 2 >= items.count {
      items.removeFirst(head)
      head = 0
    }
    return item
  }

  mutating func removeFirst() { popFirst() }

  mutating func removeAll(where isUnwanted: (Element) -> Bool) {
    items = items[head...].filter { item in item.map { !isUnwanted($0) } ?? false }
    head = 0
  }
}
