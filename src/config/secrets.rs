//! Secrets in the file: where they are, or themselves.

use toml::Spanned;
use toml::de::DeValue;

use super::kind::{HEADER_FORMS, HEADER_NAME, Kind, SECRET_FORMS, one_of};
use super::model::{Auth, Secret, Server};
use super::section::{Reader, Section};
use super::values;
use super::walk::{join, quoted};

impl<'d> Section<'_, 'd> {
    /// Reads a secret in whichever of its forms is written; `literal` reads the one that stands in the file itself.
    pub(super) fn secret(&mut self, name: &str, literal: Reader<String>, into: &mut Option<Secret>) {
        let mut first: Option<String> = None;
        for form in SECRET_FORMS {
            let written = format!("{name}{form}");
            let Some(value) = self.written(&written) else { continue };
            let key = self.key(&written);
            match &first {
                Some(first) => {
                    self.walk.mistake(value.span(), &key, format!("found beside {first}; allowed: one of the two"));
                }
                None => first = Some(written),
            }
            *into = self.secret_at(&key, form.trim_start_matches('_'), literal, value);
        }
    }

    /// Reads the additional header fields.
    pub(super) fn headers(&mut self, name: &str, into: &mut Vec<(String, Secret)>) {
        let Some((kind, value)) = self.look_up(name) else { return };
        let path = self.key(name);
        let Some(fields) = self.walk.judge(&path, kind, value, values::table) else { return };
        for (name, value) in fields {
            let (key, name, span) = (join(&path, name.get_ref()), name.get_ref(), name.span());
            self.walk.seen(key.clone(), value.span());
            if let Err(why) = values::header_name(name) {
                self.walk.mistake(
                    span.clone(),
                    &key,
                    format!("found the name {} ({why}); allowed: {HEADER_NAME}", quoted(name)),
                );
            }
            if into.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                self.walk.mistake(span, &key, "found twice; upper and lower case are the same here".to_owned());
            }
            if let Some(secret) = self.header(&key, value) {
                into.push((name.to_string(), secret));
            }
        }
    }

    fn header(&mut self, key: &str, value: &'d Spanned<DeValue<'d>>) -> Option<Secret> {
        let Some(table) = value.get_ref().as_table() else {
            return self.secret_at(key, "", values::header_value, value);
        };
        let allowed = one_of(HEADER_FORMS.map(String::from));
        for name in table.keys().filter(|name| !HEADER_FORMS.contains(&&**name.get_ref())) {
            let key = join(key, name.get_ref());
            self.walk.mistake(name.span(), &key, format!("unknown key; allowed: {allowed}"));
        }
        if table.len() != 1 {
            let what = format!("found {} keys; allowed: one of {allowed}", table.len());
            self.walk.mistake(value.span(), key, what);
        }
        let (form, value) = HEADER_FORMS.iter().find_map(|form| Some((form, table.get(*form)?)))?;
        self.secret_at(&join(key, form), form, values::header_value, value)
    }

    fn secret_at(
        &mut self,
        key: &str,
        form: &str,
        literal: Reader<String>,
        value: &'d Spanned<DeValue<'d>>,
    ) -> Option<Secret> {
        match form {
            "file" => self.walk.judge(key, &Kind::Path { empty: false }, value, values::path).map(Secret::File),
            "env" => self.walk.judge(key, &Kind::Variable, value, values::variable).map(Secret::Env),
            "credential" => self.walk.judge(key, &Kind::Credential, value, values::credential).map(Secret::Credential),
            _ => {
                let secret = self.walk.judge(key, &Kind::Secret, value, literal).map(Secret::Literal);
                let what = "the secret stands in the file itself; nobody else should be able to read the file";
                self.walk.warn(key, what, true);
                secret
            }
        }
    }
}

impl Server {
    /// Whether any of its secrets stands in the file itself.
    pub(super) fn has_literal_secrets(&self) -> bool {
        let signs_in = match &self.auth {
            Some(Auth::Basic { password: secret, .. } | Auth::Jwt { password: secret, .. }) => Some(secret),
            Some(Auth::Bearer { token }) => Some(token),
            None => None,
        };
        let proxy = self.proxy.as_ref().and_then(|proxy| proxy.password.as_ref());
        let fields = self.headers.iter().map(|(_, value)| value);
        let mut all = fields.chain(signs_in).chain(proxy).chain(&self.tls.key_password);
        all.any(|secret| matches!(secret, Secret::Literal(_)))
    }
}
