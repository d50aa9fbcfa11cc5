//! The syntax tree. Names and literals borrow from the source text where they can.
//!
//! The resolver fills in what names mean ([`Res`]) and what functions capture; nothing else is
//! changed after parsing.

use super::source::Span;
use std::borrow::Cow;

/// Number of a local variable, unique in its module.
pub type VarId = u32;

/// A name with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'s> {
    /// The name.
    pub text: &'s str,
    /// The place.
    pub span: Span,
}

/// A source file.
#[derive(Debug, Default)]
pub struct Module<'s> {
    /// What it imports.
    pub imports: Vec<Import<'s>>,
    /// Its functions, in order.
    pub functions: Vec<Function<'s>>,
    /// Its constants, in order.
    pub constants: Vec<Constant<'s>>,
    /// Statements outside functions: the body of `main` if there is no such function.
    pub script: Vec<Stmt<'s>>,
    /// Names of properties that some object literal protects.
    pub protected: Vec<Cow<'s, str>>,
    /// Variables are numbered below this.
    pub vars: VarId,
}

/// `import { a, b as c } from "Class";`
#[derive(Debug)]
pub struct Import<'s> {
    /// Imported name and the name it gets here.
    pub names: Vec<(Name<'s>, Name<'s>)>,
    /// The class.
    pub from: Cow<'s, str>,
    /// Where it is named.
    pub from_span: Span,
    /// The whole.
    pub span: Span,
}

/// `const NAME = VALUE;` outside functions.
#[derive(Debug)]
pub struct Constant<'s> {
    /// The name.
    pub name: Name<'s>,
    /// The value, as the body of a function without parameters.
    pub init: Function<'s>,
}

/// What kind of function it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionKind {
    /// Declared, or an expression `function (…) {…}`.
    Plain,
    /// `(…) => …`: `this` is that of the function around it.
    Arrow,
    /// A method in an object literal.
    Method,
}

/// A function.
#[derive(Debug)]
pub struct Function<'s> {
    /// The name, if it has one.
    pub name: Option<Name<'s>>,
    /// What kind it is.
    pub kind: FunctionKind,
    /// The parameters.
    pub params: Vec<Param<'s>>,
    /// The body.
    pub body: Body<'s>,
    /// The head: from its start to the end of the parameters.
    pub head: Span,
    /// The whole.
    pub span: Span,
    /// Variables of functions around it, in order of use. Filled in by the resolver.
    pub captures: Vec<VarId>,
    /// The variable through which arrow functions inside see `this`. Filled in by the resolver.
    pub this_var: Option<VarId>,
}

/// What a function does.
#[derive(Debug)]
pub enum Body<'s> {
    /// Statements.
    Block(Block<'s>),
    /// An expression whose value it returns.
    Expr(Box<Expr<'s>>),
}

/// A parameter.
#[derive(Debug)]
pub struct Param<'s> {
    /// What the argument is taken apart by; mostly a name.
    pub pattern: Pattern<'s>,
    /// The value if the argument is undefined.
    pub default: Option<Expr<'s>>,
}

/// Statements in braces.
#[derive(Debug)]
pub struct Block<'s> {
    /// The statements.
    pub stmts: Vec<Stmt<'s>>,
    /// With the braces.
    pub span: Span,
}

/// A statement.
#[derive(Debug)]
pub struct Stmt<'s> {
    /// What it is.
    pub kind: StmtKind<'s>,
    /// Where it is.
    pub span: Span,
}

/// Kinds of statements.
#[derive(Debug)]
pub enum StmtKind<'s> {
    /// An expression for its effect.
    Expr(Expr<'s>),
    /// `const` and `let`.
    Let {
        /// The names.
        pattern: Pattern<'s>,
        /// The value; undefined if there is none.
        init: Option<Expr<'s>>,
        /// `const`: never assigned again.
        constant: bool,
    },
    /// A function in a function.
    Function {
        /// The variable that holds it.
        var: VarId,
        /// It.
        function: Box<Function<'s>>,
    },
    /// `if` with all its `else if`.
    If {
        /// Conditions and what they lead to, in order.
        arms: Vec<(Expr<'s>, Block<'s>)>,
        /// The last `else`.
        otherwise: Option<Block<'s>>,
    },
    /// `while`, and `for (;;)`.
    Loop(Box<Loop<'s>>),
    /// `for (const x of xs)`.
    ForOf(Box<ForOf<'s>>),
    /// Statements in braces.
    Block(Block<'s>),
    /// `return`.
    Return(Option<Expr<'s>>),
    /// `break`.
    Break,
    /// `continue`.
    Continue,
    /// Several `let` in one statement.
    Several(Vec<Stmt<'s>>),
    /// Nothing, or something that was reported.
    Empty,
}

/// `while (c) {…}`, `for (init; c; update) {…}`.
#[derive(Debug)]
pub struct Loop<'s> {
    /// Done once before.
    pub init: Option<Stmt<'s>>,
    /// Goes on while this is true; for ever without it.
    pub condition: Option<Expr<'s>>,
    /// Done after each round.
    pub update: Option<Expr<'s>>,
    /// The rounds.
    pub body: Block<'s>,
    /// Does a round receive? Filled in by the resolver.
    pub receives: bool,
    /// Variables of `init` that a closure captures: each round has its own. Filled in by the resolver.
    pub fresh: Vec<VarId>,
}

/// `for (const x of xs) {…}`.
#[derive(Debug)]
pub struct ForOf<'s> {
    /// What each element is taken apart by.
    pub pattern: Pattern<'s>,
    /// `const`: never assigned again.
    pub constant: bool,
    /// What is gone through.
    pub over: Expr<'s>,
    /// The rounds.
    pub body: Block<'s>,
    /// Does a round receive? Filled in by the resolver.
    pub receives: bool,
}

/// An expression.
#[derive(Debug)]
pub struct Expr<'s> {
    /// What it is.
    pub kind: ExprKind<'s>,
    /// Where it is.
    pub span: Span,
}

/// What a name means. Filled in by the resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Res {
    /// Not resolved, or wrong and reported.
    None,
    /// A local variable or a captured one.
    Local(VarId),
    /// A function: index of the class, index in the module's functions.
    Function(u32, u32),
    /// A constant of a module: index of the class, index in the module's constants.
    Constant(u32, u32),
    /// A library function, by its full name.
    Native(String),
    /// A function that the compiler knows.
    Builtin(super::builtin::Builtin),
    /// A class.
    Class(u32),
    /// A module of the library: `Math` in `Math.sin`.
    Library,
}

/// A part of a template.
#[derive(Debug)]
pub enum TemplatePart<'s> {
    /// Text.
    Text(Cow<'s, str>),
    /// A value.
    Expr(Expr<'s>),
}

/// Kinds of expressions.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names of the operands say it")]
pub enum ExprKind<'s> {
    Number(f64),
    Imaginary(f64),
    Str(Cow<'s, str>),
    Atom(Cow<'s, str>),
    Bool(bool),
    Unit,
    Undefined,
    SelfPid,
    /// The bound object; of an arrow function, a captured variable.
    This(Option<VarId>),
    Name {
        name: &'s str,
        res: Res,
    },
    Template(Vec<TemplatePart<'s>>),
    Tuple(Vec<Expr<'s>>),
    Array(Vec<Expr<'s>>),
    Object(Vec<Prop<'s>>),
    Not(Box<Expr<'s>>),
    Negate(Box<Expr<'s>>),
    Binary(BinaryOp, Box<Expr<'s>>, Box<Expr<'s>>),
    Logic(LogicOp, Box<Expr<'s>>, Box<Expr<'s>>),
    /// `first op a op b …`, from left to right: a long row of operators is no deep tree.
    Chain(Box<Expr<'s>>, Vec<Link<'s>>),
    Ternary(Box<Expr<'s>>, Box<Expr<'s>>, Box<Expr<'s>>),
    Call {
        callee: Box<Expr<'s>>,
        args: Vec<Expr<'s>>,
    },
    /// `object.name`; `res` if this is a function of a class or of the library.
    Member {
        object: Box<Expr<'s>>,
        name: Name<'s>,
        res: Res,
    },
    Index {
        object: Box<Expr<'s>>,
        index: Box<Expr<'s>>,
    },
    Function(Box<Function<'s>>),
    Match(Box<Match<'s>>),
    Receive(Box<Receive<'s>>),
    /// `target = value`, `target += value`.
    Assign {
        op: Option<BinaryOp>,
        target: Box<Expr<'s>>,
        value: Box<Expr<'s>>,
    },
    /// `x++` and its kin.
    Update {
        op: BinaryOp,
        prefix: bool,
        target: Box<Expr<'s>>,
    },
    /// Something that was reported.
    Error,
}

/// Binary operators that look at both operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Pow,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl BinaryOp {
    /// Is the result always a Boolean?
    pub fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Eq | Ne | Lt | Le | Gt | Ge)
    }
}

/// Binary operators that may leave the right operand alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogicOp {
    And,
    Or,
    Coalesce,
}

/// A binary operator of either kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Infix {
    Binary(BinaryOp),
    Logic(LogicOp),
}

/// An operator of a chain and its right operand; the left one is everything before.
#[derive(Debug)]
pub struct Link<'s> {
    /// The operator.
    pub op: Infix,
    /// The right operand.
    pub right: Expr<'s>,
}

/// A property of an object literal.
#[derive(Debug)]
pub struct Prop<'s> {
    /// The key.
    pub key: PropKey<'s>,
    /// Where the key is.
    pub key_span: Span,
    /// Who may read and write it.
    pub access: ion_runtime::bytecode::Access,
    /// The value.
    pub value: Expr<'s>,
    /// Is it a bare name that is key and value?
    pub short: bool,
}

/// The key of a property.
#[derive(Debug)]
pub enum PropKey<'s> {
    /// Written.
    Name(Cow<'s, str>),
    /// `[expression]`.
    Computed(Expr<'s>),
}

/// A pattern.
#[derive(Debug)]
pub struct Pattern<'s> {
    /// What it is.
    pub kind: PatternKind<'s>,
    /// Where it is.
    pub span: Span,
}

/// Kinds of patterns.
#[derive(Debug)]
pub enum PatternKind<'s> {
    /// `_`.
    Wildcard,
    /// A literal.
    Literal(Expr<'s>),
    /// A name that takes the value.
    Bind {
        /// The name.
        name: &'s str,
        /// The variable. Filled in by the resolver.
        var: VarId,
    },
    /// `(a, b)`.
    Tuple(Vec<Pattern<'s>>),
    /// `[a, b, ...rest]`.
    Array {
        /// The first elements.
        items: Vec<Pattern<'s>>,
        /// What takes the others, if anything.
        rest: Option<Box<Pattern<'s>>>,
    },
    /// `{ key: pattern, name }`.
    Object(Vec<(Name<'s>, Pattern<'s>)>),
    /// `a | b`.
    Or(Vec<Pattern<'s>>),
}

/// `match (value) {…}`.
#[derive(Debug)]
pub struct Match<'s> {
    /// What is looked at.
    pub value: Expr<'s>,
    /// The arms.
    pub arms: Vec<Arm<'s>>,
    /// The words `match (…)`.
    pub head: Span,
}

/// `receive {…}`.
#[derive(Debug)]
pub struct Receive<'s> {
    /// The arms.
    pub arms: Vec<Arm<'s>>,
    /// Timeout in milliseconds and what happens then.
    pub after: Option<(Expr<'s>, ArmBody<'s>)>,
}

/// An arm of `match` or `receive`.
#[derive(Debug)]
pub struct Arm<'s> {
    /// The pattern.
    pub pattern: Pattern<'s>,
    /// The condition behind `if`.
    pub guard: Option<Expr<'s>>,
    /// What it leads to.
    pub body: ArmBody<'s>,
}

/// What an arm leads to.
#[derive(Debug)]
pub enum ArmBody<'s> {
    /// A value.
    Expr(Expr<'s>),
    /// Statements; the value is that of the last one if it is an expression.
    Block(Block<'s>),
}
