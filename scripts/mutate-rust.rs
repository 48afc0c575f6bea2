// SPDX-License-Identifier: GPL-2.0

//! Finds places in a Rust file where one small change makes another program.
//!
//!     mutate-rust FILE
//!
//! prints a line of JSON for each change: its operator, the function that it is in, and the bytes
//! to replace. `E?` stands for another errno of the file. What a macro is given is left as it is.
//! Built with the `syn` of the kernel's own tree. See Documentation/mutants.md.

use std::{
    env,
    fs,
    ops::Range,
    process::ExitCode, //
};
use syn::{
    spanned::Spanned,
    visit::{
        self,
        Visit, //
    },
    Expr,
    Stmt, //
};

/// Operators, and what stands in their place.
const BINARY: &[(&str, &[&str], &str)] = &[
    ("<", &["<=", ">="], "relational"),
    ("<=", &["<", ">"], "relational"),
    (">", &[">=", "<="], "relational"),
    (">=", &[">", "<"], "relational"),
    ("==", &["!="], "relational"),
    ("!=", &["=="], "relational"),
    ("&&", &["||"], "logical"),
    ("||", &["&&"], "logical"),
    ("+", &["-"], "arithmetic"),
    ("-", &["+"], "arithmetic"),
    ("*", &["+"], "arithmetic"),
    ("/", &["*"], "arithmetic"),
    ("%", &["/"], "arithmetic"),
    ("+=", &["-=", "="], "arithmetic"),
    ("-=", &["+=", "="], "arithmetic"),
    ("&", &["|"], "bitwise"),
    ("|", &["&"], "bitwise"),
    ("^", &["|"], "bitwise"),
    ("|=", &["=", "&="], "bitwise"),
    ("&=", &["=", "|="], "bitwise"),
    ("<<", &[">>"], "bitwise"),
    (">>", &["<<"], "bitwise"),
    ("..", &["..="], "relational"),
    ("..=", &[".."], "relational"),
];

/// Methods, and those that may be confused with them.
const METHODS: &[(&str, &str, &str)] = &[
    ("wrapping_add", "wrapping_sub", "arithmetic"),
    ("wrapping_sub", "wrapping_add", "arithmetic"),
    ("wrapping_sub", "saturating_sub", "arithmetic"),
    ("checked_sub", "checked_add", "arithmetic"),
    ("trailing_ones", "trailing_zeros", "bitwise"),
    ("min", "max", "relational"),
    ("max", "min", "relational"),
    ("is_some", "is_none", "logical"),
    ("is_none", "is_some", "logical"),
    ("is_ok", "is_err", "logical"),
    ("is_err", "is_ok", "logical"),
    ("is_some_and", "is_none_or", "logical"),
    ("is_none_or", "is_some_and", "logical"),
];

/// The walk through a file.
struct Finder {
    text: String,
    of: String,
    function: String,
}

/// A string of JSON.
fn json(text: &str) -> String {
    let mut found = String::from("\"");

    for c in text.chars() {
        match c {
            '"' | '\\' => found.extend(['\\', c]),
            c if c < ' ' => found += &format!("\\u{:04x}", c as u32),
            c => found.push(c),
        }
    }
    found.push('"');
    found
}

/// Whether something is there for tests alone.
fn for_tests(attrs: &[syn::Attribute]) -> bool {
    attrs.iter().any(|attr| match &attr.meta {
        syn::Meta::List(list) => {
            list.path.is_ident("cfg") && list.tokens.to_string().contains("KUNIT")
        }
        _ => false,
    })
}

/// Whether a name is that of an errno.
fn is_errno(name: &str) -> bool {
    name.len() > 2 && name.starts_with('E') && name.chars().all(|c| c.is_ascii_uppercase())
}

impl Finder {
    /// Tells of one change.
    fn tell(&self, operator: &str, edits: &[(Range<usize>, String)]) {
        if self.function.is_empty() {
            return;
        }
        let edits: Vec<String> = edits
            .iter()
            .map(|(at, now)| format!("[{}, {}, {}]", at.start, at.end, json(now)))
            .collect();

        println!(
            "{{\"function\": {}, \"operator\": \"{operator}\", \"edits\": [{}]}}",
            json(&self.function),
            edits.join(", ")
        );
    }

    /// Tells of a change of one range.
    fn change(&self, operator: &str, at: Range<usize>, now: &str) {
        self.tell(operator, &[(at, now.to_string())]);
    }

    /// The text of a range.
    fn of(&self, at: &Range<usize>) -> &str {
        &self.text[at.clone()]
    }

    /// An operator, by its token.
    fn operator(&self, at: Range<usize>) {
        for (op, others, name) in BINARY {
            if *op == self.of(&at) {
                for now in *others {
                    self.change(name, at.clone(), now);
                }
            }
        }
    }

    /// A condition turned round, unless it binds something, or its operator alone can be.
    fn condition(&self, cond: &Expr) {
        struct Binds(bool);

        impl Visit<'_> for Binds {
            fn visit_expr_let(&mut self, _: &syn::ExprLet) {
                self.0 = true;
            }
        }
        let mut binds = Binds(false);

        binds.visit_expr(cond);
        let other = match cond {
            Expr::Unary(unary) => matches!(unary.op, syn::UnOp::Not(_)),
            Expr::Binary(binary) => matches!(
                binary.op,
                syn::BinOp::Lt(_)
                    | syn::BinOp::Le(_)
                    | syn::BinOp::Gt(_)
                    | syn::BinOp::Ge(_)
                    | syn::BinOp::Eq(_)
                    | syn::BinOp::Ne(_)
            ),
            _ => false,
        };

        if !binds.0 && !other {
            let at = cond.span().byte_range();

            self.change("condition", at.clone(), &format!("!({})", self.of(&at)));
        }
    }

    /// Neighbouring arguments changed with each other; the compiler refuses those of other types.
    fn arguments<'a>(&self, args: impl Iterator<Item = &'a Expr>) {
        let all: Vec<_> = args.map(|arg| arg.span().byte_range()).collect();

        for pair in all.windows(2) {
            let (a, b) = (self.of(&pair[0]).to_string(), self.of(&pair[1]).to_string());

            // Of types of their own each.
            let alone = |arg: &str| {
                arg.starts_with("GFP_")
                    || arg.starts_with('|')
                    || ["Relaxed", "Acquire", "Release", "self"].contains(&arg)
            };

            if a != b && !alone(&a) && !alone(&b) {
                self.tell("arguments", &[(pair[0].clone(), b), (pair[1].clone(), a)]);
            }
        }
    }

    /// A statement left out, if it is one that computes or calls.
    fn statement(&self, expr: &Expr, at: Range<usize>) {
        let lines = "\n".repeat(self.of(&at).matches('\n').count());
        let leave_out = match expr {
            Expr::Binary(binary) => matches!(
                binary.op,
                syn::BinOp::AddAssign(_)
                    | syn::BinOp::SubAssign(_)
                    | syn::BinOp::BitOrAssign(_)
                    | syn::BinOp::BitAndAssign(_)
            ),
            Expr::Try(of) => {
                let inner = of.expr.span().byte_range();

                self.change(
                    "question",
                    at.clone(),
                    &format!("let _ = {};", self.of(&inner)),
                );
                true
            }
            Expr::Call(_) | Expr::MethodCall(_) | Expr::Assign(_) | Expr::Unsafe(_) => true,
            Expr::Break(_) => true,
            _ => false,
        };

        if leave_out {
            self.change("statement", at, &lines);
        }
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let of = item.self_ty.span().byte_range();

        self.of = format!("{}::", self.of(&of));
        visit::visit_item_impl(self, item);
        self.of.clear();
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !for_tests(&item.attrs) {
            self.function = format!("{}{}", self.of, item.sig.ident);
            visit::visit_block(self, &item.block);
            self.function.clear();
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !for_tests(&item.attrs) {
            self.function = item.sig.ident.to_string();
            visit::visit_block(self, &item.block);
            self.function.clear();
        }
    }

    fn visit_stmt(&mut self, stmt: &'ast Stmt) {
        if let Stmt::Expr(expr, Some(_)) = stmt {
            self.statement(expr, stmt.span().byte_range());
        }
        visit::visit_stmt(self, stmt);
    }

    fn visit_expr_binary(&mut self, expr: &'ast syn::ExprBinary) {
        self.operator(expr.op.span().byte_range());
        visit::visit_expr_binary(self, expr);
    }

    fn visit_expr_range(&mut self, expr: &'ast syn::ExprRange) {
        if expr.end.is_some() {
            self.operator(expr.limits.span().byte_range());
        }
        visit::visit_expr_range(self, expr);
    }

    fn visit_expr_unary(&mut self, expr: &'ast syn::ExprUnary) {
        if let syn::UnOp::Not(not) = expr.op {
            self.change("logical", not.span().byte_range(), "");
        }
        visit::visit_expr_unary(self, expr);
    }

    fn visit_expr_lit(&mut self, expr: &'ast syn::ExprLit) {
        let at = expr.span().byte_range();

        match &expr.lit {
            syn::Lit::Bool(value) => {
                self.change("constant", at, if value.value { "false" } else { "true" });
            }
            syn::Lit::Int(value) => {
                if let Ok(n) = value.base10_parse::<u64>() {
                    let suffix = value.suffix();

                    self.change("constant", at.clone(), &format!("{}{suffix}", n + 1));
                    if n == 1 {
                        self.change("constant", at, &format!("0{suffix}"));
                    }
                }
            }
            _ => {}
        }
    }

    fn visit_expr_if(&mut self, expr: &'ast syn::ExprIf) {
        self.condition(&expr.cond);
        visit::visit_expr_if(self, expr);
    }

    fn visit_expr_while(&mut self, expr: &'ast syn::ExprWhile) {
        self.condition(&expr.cond);
        visit::visit_expr_while(self, expr);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if let Some((_, guard)) = &arm.guard {
            self.condition(guard);
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_path(&mut self, expr: &'ast syn::ExprPath) {
        if let Some(name) = expr.path.get_ident() {
            if ["Acquire", "Release", "Full"].contains(&name.to_string().as_str()) {
                self.change("ordering", name.span().byte_range(), "Relaxed");
            }
            if is_errno(&name.to_string()) {
                self.change("errno", name.span().byte_range(), "E?");
            }
        }
    }

    fn visit_expr_call(&mut self, expr: &'ast syn::ExprCall) {
        let func = self.of(&expr.func.span().byte_range()).to_string();

        if func == "Err" {
            let at = expr.span().byte_range();

            self.change("errno", at, "Ok(Default::default())");
        }
        self.arguments(expr.args.iter());
        visit::visit_expr_call(self, expr);
    }

    fn visit_expr_method_call(&mut self, expr: &'ast syn::ExprMethodCall) {
        for (method, other, name) in METHODS {
            if expr.method == *method {
                self.change(name, expr.method.span().byte_range(), other);
            }
        }
        self.arguments(expr.args.iter());
        visit::visit_expr_method_call(self, expr);
    }
}

fn main() -> ExitCode {
    let Some(name) = env::args().nth(1) else {
        eprintln!("mutate-rust: no file to read");
        return ExitCode::FAILURE;
    };
    let parsed = fs::read_to_string(&name)
        .map_err(|e| e.to_string())
        .and_then(|text| Ok((syn::parse_file(&text).map_err(|e| e.to_string())?, text)));

    match parsed {
        Ok((file, text)) => {
            let mut finder = Finder {
                text,
                of: String::new(),
                function: String::new(),
            };

            finder.visit_file(&file);
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("mutate-rust: {name}: {e}");
            ExitCode::FAILURE
        }
    }
}
