//! Tokens.

use super::source::Span;

/// Kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the texts say it; see `text`")]
pub enum Tok {
    /// The end of the text.
    Eof,
    Ident,
    Number,
    /// A number with `i` behind it.
    Imaginary,
    Str,
    /// `:name` or `:"text"`.
    Atom,
    /// `` `text` ``.
    TemplateWhole,
    /// `` `text${ ``.
    TemplateHead,
    /// `}text${`.
    TemplateMiddle,
    /// `` }text` ``.
    TemplateTail,
    // Keywords.
    Function,
    Const,
    Let,
    If,
    Else,
    While,
    For,
    Break,
    Continue,
    Return,
    Match,
    Receive,
    Import,
    Export,
    True,
    False,
    Undefined,
    SelfKw,
    This,
    // Punctuation.
    LParen,
    RParen,
    LBracket,
    RBracket,
    LBrace,
    RBrace,
    Comma,
    Semi,
    Colon,
    Dot,
    Ellipsis,
    Arrow,
    Question,
    Coalesce,
    Assign,
    PlusAssign,
    MinusAssign,
    StarAssign,
    SlashAssign,
    PlusPlus,
    MinusMinus,
    Plus,
    Minus,
    Star,
    StarStar,
    Slash,
    Percent,
    EqEq,
    NotEq,
    Lt,
    Le,
    Gt,
    Ge,
    AndAnd,
    OrOr,
    Not,
    Bar,
    Underscore,
    /// Something that was reported already.
    Bad,
}

impl Tok {
    /// How messages call it.
    pub fn text(self) -> &'static str {
        match self {
            Tok::Eof => "the end of the file",
            Tok::Ident => "a name",
            Tok::Number | Tok::Imaginary => "a number",
            Tok::Str => "a string",
            Tok::Atom => "an atom",
            Tok::TemplateWhole | Tok::TemplateHead => "a template",
            Tok::TemplateMiddle | Tok::TemplateTail => "`}`",
            Tok::Function => "`function`",
            Tok::Const => "`const`",
            Tok::Let => "`let`",
            Tok::If => "`if`",
            Tok::Else => "`else`",
            Tok::While => "`while`",
            Tok::For => "`for`",
            Tok::Break => "`break`",
            Tok::Continue => "`continue`",
            Tok::Return => "`return`",
            Tok::Match => "`match`",
            Tok::Receive => "`receive`",
            Tok::Import => "`import`",
            Tok::Export => "`export`",
            Tok::True => "`true`",
            Tok::False => "`false`",
            Tok::Undefined => "`undefined`",
            Tok::SelfKw => "`self`",
            Tok::This => "`this`",
            Tok::LParen => "`(`",
            Tok::RParen => "`)`",
            Tok::LBracket => "`[`",
            Tok::RBracket => "`]`",
            Tok::LBrace => "`{`",
            Tok::RBrace => "`}`",
            Tok::Comma => "`,`",
            Tok::Semi => "`;`",
            Tok::Colon => "`:`",
            Tok::Dot => "`.`",
            Tok::Ellipsis => "`...`",
            Tok::Arrow => "`=>`",
            Tok::Question => "`?`",
            Tok::Coalesce => "`??`",
            Tok::Assign => "`=`",
            Tok::PlusAssign => "`+=`",
            Tok::MinusAssign => "`-=`",
            Tok::StarAssign => "`*=`",
            Tok::SlashAssign => "`/=`",
            Tok::PlusPlus => "`++`",
            Tok::MinusMinus => "`--`",
            Tok::Plus => "`+`",
            Tok::Minus => "`-`",
            Tok::Star => "`*`",
            Tok::StarStar => "`**`",
            Tok::Slash => "`/`",
            Tok::Percent => "`%`",
            Tok::EqEq => "`==`",
            Tok::NotEq => "`!=`",
            Tok::Lt => "`<`",
            Tok::Le => "`<=`",
            Tok::Gt => "`>`",
            Tok::Ge => "`>=`",
            Tok::AndAnd => "`&&`",
            Tok::OrOr => "`||`",
            Tok::Not => "`!`",
            Tok::Bar => "`|`",
            Tok::Underscore => "`_`",
            Tok::Bad => "a strange character",
        }
    }

    /// Is it a word, so that it may name a property?
    pub fn is_word(self) -> bool {
        matches!(self, Tok::Ident | Tok::Underscore) || self.is_keyword()
    }

    /// Is it a reserved word?
    pub fn is_keyword(self) -> bool {
        KEYWORDS.contains(&self)
    }

    /// Can nothing end with it?
    pub fn asks_for_more(self) -> bool {
        use Tok::*;
        matches!(
            self,
            Else | Comma
                | Dot
                | Ellipsis
                | Arrow
                | Question
                | Colon
                | Coalesce
                | Assign
                | PlusAssign
                | MinusAssign
                | StarAssign
                | SlashAssign
                | Plus
                | Minus
                | Star
                | StarStar
                | Slash
                | Percent
                | EqEq
                | NotEq
                | Lt
                | Le
                | Gt
                | Ge
                | AndAnd
                | OrOr
                | Not
                | Bar
        )
    }
}

/// The reserved words.
pub const KEYWORDS: [Tok; 19] = {
    use Tok::*;
    [
        Function, Const, Let, If, Else, While, For, Break, Continue, Return, Match, Receive,
        Import, Export, True, False, Undefined, SelfKw, This,
    ]
};

/// The keyword that a word is, if it is one.
pub fn keyword(word: &str) -> Option<Tok> {
    Some(match word {
        "function" => Tok::Function,
        "const" => Tok::Const,
        "let" => Tok::Let,
        "if" => Tok::If,
        "else" => Tok::Else,
        "while" => Tok::While,
        "for" => Tok::For,
        "break" => Tok::Break,
        "continue" => Tok::Continue,
        "return" => Tok::Return,
        "match" => Tok::Match,
        "receive" => Tok::Receive,
        "import" => Tok::Import,
        "export" => Tok::Export,
        "true" => Tok::True,
        "false" => Tok::False,
        "undefined" => Tok::Undefined,
        "self" => Tok::SelfKw,
        "this" => Tok::This,
        "_" => Tok::Underscore,
        _ => return None,
    })
}

/// One token.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Tok,
    /// Is there a line break in front of it?
    pub newline: bool,
    /// Where it is.
    pub span: Span,
    /// For `(`: index of the matching `)`, or 0.
    pub pair: u32,
}
