/// One step that brings a database closer to another one.
package struct SchemaStatement: Hashable, Sendable {
  /// What it is about, such as `column email of public.people`.
  package var item: String
  /// The SQL text, one statement or a few that belong together, without a semicolon at its end.
  package var sql: String
  /// What is lost or refused by it; nil when all data stays.
  package var loses: String?
  /// Who has to wait while it runs, where that may take long.
  package var lock: String?
  /// Whether it is committed by itself, before all others, because PostgreSQL wants it so.
  package var isApart = false
  /// An SQL condition that is true when the rows that are there do not let it through.
  ///
  /// It is made of words of the database to change alone, as it is asked before anybody has agreed to anything.
  var obstacle: String?
}
