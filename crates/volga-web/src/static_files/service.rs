//! `StaticFiles`: settings of static files, and their responses.
//!
//! tower-http's `ServeDir` is not used: it follows links out of its folder, serves hidden files,
//! has no embedded files, no listing, no page for unknown paths that looks at the kind of request,
//! and no preconditions on tags.

use std::{borrow::Cow, fmt, path::PathBuf, sync::Arc, time::Duration};

use http::{HeaderValue, Method, StatusCode, header};
use volga_core::headers::CacheControl;
use volga_core::{
    Endpoint, Error, HandlerEndpoint, HttpBody, HttpRequest, HttpResponse, OriginalUri,
    quality_member,
};

use crate::files::file_request::FileRequest;
use crate::files::file_response::{FileResponse, content_type_of};
use crate::static_files::coding::Coding;
use crate::static_files::fingerprint;
use crate::static_files::listing;
use crate::static_files::request_path::RequestPath;
use crate::static_files::store::{Entry, FileContent, Query, Store};

/// How long a browser keeps a file whose name has a hash of its content: a year.
const IMMUTABLE_AGE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Static files: those of a folder, or files that are embedded in the program.
///
/// In the crate `volga`, `map_static` serves them below a prefix, and `fallback_static` at every
/// path without a route. With `volga-core` alone, mount [`into_endpoint`](Self::into_endpoint).
///
/// ```
/// use volga_core::{Router, ScopeId};
/// use volga_web::StaticFiles;
///
/// let files = StaticFiles::folder("public").precompressed().fingerprinted();
/// let mut router = Router::new();
/// router.mount_in(ScopeId::ROOT, "/assets", files.into_endpoint());
/// ```
///
/// # What is served
///
/// GET and HEAD for a file, with ranges and preconditions as in
/// [`FileResponse`](crate::FileResponse). Another method for a file has status 405. A folder
/// without a slash at its end is redirected to the path with the slash, and a folder responds with
/// its [index](Self::index). Everything else is passed to the fallback of the app or the
/// group, or else has status 404.
///
/// # What is never served
///
/// - A path that leads out of the folder: `..` in any encoding, backslashes, NUL, drives.
/// - A symbolic link that leads out of the folder. The folder itself may be a link.
/// - Names that begin with a dot, unless [`dot_files`](Self::dot_files) is called.
/// - Names of devices of Windows such as `nul.txt`, on every system.
/// - What is no regular file: pipes, sockets and devices.
///
/// Do not let users write links into the folder: a link that changes between the check and the
/// opening of the file is not noticed.
///
/// # Caches
///
/// Every response has `Cache-Control: no-cache`, which means that a browser keeps the file and asks
/// each time whether it has changed. See [`cache_control`](Self::cache_control) and
/// [`fingerprinted`](Self::fingerprinted).
#[derive(Clone)]
#[must_use = "static files are not served until they are mapped"]
pub struct StaticFiles {
    store: Store,
    index: Option<Cow<'static, str>>,
    single_page: Option<Cow<'static, str>>,
    is_precompressed: bool,
    is_fingerprinted: Option<IsFingerprinted>,
    has_listing: bool,
    dot_files: bool,
    cache_control: CacheControl,
}

type IsFingerprinted = Arc<dyn Fn(&str) -> bool + Send + Sync>;

impl StaticFiles {
    /// Serves the files of a folder. A relative path starts at the folder in which the program was
    /// started. Files are read at each request, so changes show at once.
    ///
    /// If the folder cannot be read, requests have status 500, and the log says why.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self::new(Store::Folder(path.into()))
    }

    /// Serves files that are in the program: pairs of a path, such as `css/site.css`, and the
    /// bytes. Macros such as those of `include_dir` and `rust-embed` make them. Their entity tags
    /// are hashes of the bytes.
    ///
    /// ```
    /// use volga_web::StaticFiles;
    ///
    /// let files = StaticFiles::embedded([
    ///     ("index.html", &b"<h1>Hello</h1>"[..]),
    ///     ("css/site.css", b"h1 { color: teal }"),
    /// ]);
    /// ```
    pub fn embedded<P, C>(files: impl IntoIterator<Item = (P, C)>) -> Self
    where
        P: Into<String>,
        C: Into<Cow<'static, [u8]>>,
    {
        Self::new(Store::embedded(files))
    }

    fn new(store: Store) -> Self {
        Self {
            store,
            index: Some(Cow::Borrowed("index.html")),
            single_page: None,
            is_precompressed: false,
            is_fingerprinted: None,
            has_listing: false,
            dot_files: false,
            cache_control: CacheControl::new().no_cache(),
        }
    }

    /// Sets the name of the file that stands for its folder, instead of `index.html`.
    pub fn index(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.index = Some(name.into());
        self
    }

    /// Serves no index.
    pub fn without_index(mut self) -> Self {
        self.index = None;
        self
    }

    /// Serves this file at every path without a file, for an application whose pages exist only in
    /// the browser. Only navigations get it: requests with `Sec-Fetch-Mode: navigate`, or, from a
    /// client that does not send this header, requests whose `Accept` names `text/html`. So a
    /// script or an image that is missing has status 404, and not the page.
    pub fn single_page(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.single_page = Some(path.into());
        self
    }

    /// Serves `app.js.br`, `app.js.zst` or `app.js.gz` instead of `app.js` to clients that accept
    /// it. The client's preference decides, and then this order. A compressed file that is older
    /// than the plain one is not used, and a request with `Range` always gets the plain file.
    ///
    /// Each response has `Vary: accept-encoding`.
    pub fn precompressed(mut self) -> Self {
        self.is_precompressed = true;
        self
    }

    /// Lets browsers keep files with a hash in their names for a year, without asking again
    /// (`immutable`). A hash has at least 8 hexadecimal digits, with digits and letters, and is
    /// the last part of the name before the extension: `app.3f2a1b9c.js` or `app-3f2a1b9c.js`.
    ///
    /// For other forms, such as those of Vite, see
    /// [`fingerprinted_if`](Self::fingerprinted_if).
    pub fn fingerprinted(self) -> Self {
        self.fingerprinted_if(fingerprint::has_hash)
    }

    /// Lets browsers keep files for a year for whose path the function returns true. The path has
    /// no slash at its start.
    ///
    /// ```
    /// use volga_web::StaticFiles;
    ///
    /// // Vite puts a hash into the name of each file in this folder.
    /// let files = StaticFiles::folder("dist").fingerprinted_if(|path| path.starts_with("assets/"));
    /// ```
    pub fn fingerprinted_if(
        mut self,
        is_fingerprinted: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.is_fingerprinted = Some(Arc::new(is_fingerprinted));
        self
    }

    /// Shows the names in a folder without an index, up to
    /// [`MAX_LISTED_FILES`](crate::MAX_LISTED_FILES).
    pub fn listing(mut self) -> Self {
        self.has_listing = true;
        self
    }

    /// Serves names that begin with a dot, too.
    pub fn dot_files(mut self) -> Self {
        self.dot_files = true;
        self
    }

    /// Sets the `Cache-Control` of files that are not fingerprinted, instead of `no-cache`. An
    /// index and a [single page](Self::single_page) keep `no-cache`.
    pub fn cache_control(mut self, control: CacheControl) -> Self {
        self.cache_control = control;
        self
    }

    /// Turns the files into an endpoint, to mount below a prefix or to use as a fallback.
    pub fn into_endpoint(self) -> impl Endpoint {
        let files = Arc::new(self);
        HandlerEndpoint::new(move |request: HttpRequest| {
            let files = Arc::clone(&files);
            // The body of the request is dropped before the file is looked up.
            let (head, _) = request.into_parts();
            async move { files.respond(&head).await }
        })
    }

    async fn respond(&self, head: &http::request::Parts) -> Result<Option<HttpResponse>, Error> {
        let path = RequestPath::parse(head.uri.path(), self.dot_files);
        let found = match path.clone() {
            Some(path) => self.find(path, head).await?,
            None => Entry::Missing,
        };
        let is_read = head.method == Method::GET || head.method == Method::HEAD;
        let path = path.map(|path| path.relative).unwrap_or_default();
        match found {
            Entry::Missing if is_read && is_navigation(head) => {
                self.respond_single_page(head).await
            }
            Entry::Missing => Ok(None),
            _ if !is_read => refuse_method(&head.method).map(Some),
            Entry::FolderWithoutSlash => Ok(redirect(head)),
            _ if is_root_without_slash(head) => Ok(redirect(head)),
            Entry::Listing(names) => Ok(Some(listing_response(listing::page(&path, &names)))),
            Entry::File { path: file, content, coding } => {
                let is_index = file != path;
                self.respond_with_file(head, &file, content, coding, is_index).map(Some)
            }
        }
    }

    async fn find(&self, path: RequestPath, head: &http::request::Parts) -> Result<Entry, Error> {
        let has_range = head.headers.contains_key(header::RANGE);
        let codings = match self.is_precompressed && !has_range {
            true => Coding::accepted(&head.headers),
            false => Vec::new(),
        };
        let query = Query {
            path,
            index: self.index.clone(),
            has_listing: self.has_listing,
            dot_files: self.dot_files,
            codings,
        };
        self.store.find(query).await.map_err(Error::server_error)
    }

    /// Responds to a navigation with the page for unknown paths, if there is one.
    async fn respond_single_page(
        &self,
        head: &http::request::Parts,
    ) -> Result<Option<HttpResponse>, Error> {
        let Some(page) = &self.single_page else { return Ok(None) };
        let path = RequestPath { relative: page.clone().into_owned(), has_slash: false };
        let Entry::File { path, content, coding } = self.find(path, head).await? else {
            let text = format!("the single page `{page}` is not among the static files");
            return Err(Error::server_error(text));
        };
        let mut response = self.respond_with_file(head, &path, content, coding, true)?;
        let vary = HeaderValue::from_static("accept, sec-fetch-mode");
        response.headers_mut().append(header::VARY, vary);
        Ok(Some(response))
    }

    fn respond_with_file(
        &self,
        head: &http::request::Parts,
        path: &str,
        content: FileContent,
        coding: Option<Coding>,
        is_page: bool,
    ) -> Result<HttpResponse, Error> {
        let content_type = content_type_of(path.as_ref());
        let mut file = match content {
            FileContent::Open(open) => FileResponse::of_open(open, content_type),
            FileContent::Bytes(bytes, own) => FileResponse::of_bytes(bytes, content_type, own),
        };
        file = file.cache_control(self.cache_control_of(path, is_page));
        if let Some(coding) = coding {
            let name = HeaderValue::from_static(coding.name());
            // A range of a compressed file is of no use to a client that resumes the plain one.
            file = file.with_header(header::CONTENT_ENCODING, name).max_ranges(0);
        }
        if self.is_precompressed {
            file = file.with_header(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        file.respond(&FileRequest::new(&head.method, &head.headers))
    }

    fn cache_control_of(&self, path: &str, is_page: bool) -> CacheControl {
        if is_page {
            return CacheControl::new().no_cache();
        }
        match &self.is_fingerprinted {
            Some(is_fingerprinted) if is_fingerprinted(path) => {
                CacheControl::new().public().immutable().max_age(IMMUTABLE_AGE)
            }
            _ => self.cache_control,
        }
    }
}

impl fmt::Debug for StaticFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("StaticFiles");
        if let Store::Folder(folder) = &self.store {
            debug.field("folder", folder);
        }
        debug.finish_non_exhaustive()
    }
}

/// Whether the browser asks for a page, and not for a part of one.
fn is_navigation(head: &http::request::Parts) -> bool {
    if let Some(mode) = head.headers.get("sec-fetch-mode") {
        return mode == "navigate";
    }
    let accept = head.headers.get_all(header::ACCEPT).iter();
    accept
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(quality_member)
        .any(|(name, quality)| name == "text/html" && quality > 0)
}

/// Whether the files are mounted below a prefix, and the request is for the prefix without a slash.
/// Relative links in an index would lead to a wrong folder there.
fn is_root_without_slash(head: &http::request::Parts) -> bool {
    let original = head.extensions.get::<OriginalUri>();
    head.uri.path() == "/" && original.is_some_and(|original| !original.0.path().ends_with('/'))
}

/// Redirects to the path with a slash at its end. The location is relative, so it is right behind
/// any prefix, also one that a proxy has removed.
fn redirect(head: &http::request::Parts) -> Option<HttpResponse> {
    let original = head.extensions.get::<OriginalUri>().map(|original| &original.0);
    let path = original.unwrap_or(&head.uri).path();
    let last = path.rsplit('/').next()?;
    let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = HeaderValue::try_from(format!("./{last}/{query}")).ok()?;
    let mut response = HttpResponse::default();
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    Some(response)
}

fn refuse_method(method: &Method) -> Result<HttpResponse, Error> {
    const ALLOW: &str = "GET, HEAD, OPTIONS";
    if *method == Method::OPTIONS {
        let mut response = HttpResponse::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(ALLOW));
        return Ok(response);
    }
    let error = Error::new(StatusCode::METHOD_NOT_ALLOWED, "a file supports only GET and HEAD");
    Err(error.with_header(("allow", ALLOW)))
}

fn listing_response(page: String) -> HttpResponse {
    let mut response = HttpResponse::new(HttpBody::full(page));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
