/// The prepared statements of one connection, by text, role and parameter types; the least recently used goes first.
///
/// The role belongs to the name, as a statement that runs under two roles is planned anew at every change.
struct StatementCache {
  struct Key: Hashable {
    var sql: String
    var role: String?
    var types: [UInt32]
  }

  private var entries = [Key: (name: String, lastUse: Int)]()
  private var evicted = [String]()
  private var clock = 0
  private var lastName = 0
  private let capacity: Int

  init(capacity: Int = 256) { self.capacity = capacity }

  /// The server's name of the statement, if it has it.
  mutating func name(of key: Key) -> String? {
    clock += 1
    guard let index = entries.index(forKey: key) else { return nil }
    entries.values[index].lastUse = clock
    return entries.values[index].name
  }

  /// A new name for a statement that the server does not have yet.
  mutating func insert(_ key: Key) -> String {
    lastName += 1
    clock += 1
    if entries.count >= capacity, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) {
      entries[oldest.key] = nil
      evicted.append(oldest.value.name)
    }
    let name = "s\(lastName)"
    entries[key] = (name, clock)
    return name
  }

  /// A name that gave way to others, which the server should forget.
  mutating func popEvicted() -> String? { evicted.popLast() }

  /// Forgets all; their names are not used again.
  mutating func removeAll() {
    entries.removeAll()
    evicted.removeAll()
  }

  /// Forgets a statement, if it still goes by that name: the server does not have it, or no longer as it was.
  mutating func forget(_ key: Key, name: String) {
    if entries[key]?.name == name { entries.removeValue(forKey: key) }
  }
}
