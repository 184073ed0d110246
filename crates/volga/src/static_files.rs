//! Maps static files.

use volga_core::{SettingsLevel, StripPrefix};
use volga_web::StaticFiles;

use crate::group::{Group, Route};

impl Group {
    /// Serves static files at a prefix and at everything below it.
    ///
    /// ```
    /// use volga::{App, files::StaticFiles};
    ///
    /// let mut app = App::new();
    /// app.map_static("/assets", StaticFiles::folder("public").fingerprinted());
    /// # app.check().unwrap();
    /// ```
    ///
    /// The prefix is not a part of the path within the folder: a request for `/assets/site.css`
    /// gets `public/site.css`. A path without a file gets the
    /// [fallback](Self::map_fallback), or else status 404. Routes and groups below the prefix come
    /// first, as they do for [`map_service`](Self::map_service).
    #[track_caller]
    pub fn map_static(&mut self, prefix: &str, files: StaticFiles) -> Route<'_> {
        let scope = self.scope();
        let id = self.router_mut().mount_in(scope, prefix, files.into_endpoint());
        Route::new(self, id)
    }

    /// Serves static files at every path of this app or group that has no route. Use it for a site
    /// at `/`, next to the routes of an API.
    ///
    /// ```
    /// use volga::{App, files::StaticFiles, ok};
    ///
    /// let mut app = App::new();
    /// app.map_get("/api/time", || ok!("now"));
    /// app.fallback_static(StaticFiles::folder("dist").single_page("index.html"));
    /// # app.check().unwrap();
    /// ```
    ///
    /// In a group, the prefix of the group is not a part of the path within the folder. The files
    /// take the place of a [fallback](Self::map_fallback) of the same app or group.
    #[track_caller]
    pub fn fallback_static(&mut self, files: StaticFiles) -> &mut Self {
        let depth = self.prefix().split('/').filter(|segment| !segment.is_empty()).count();
        let level = SettingsLevel::Scope(self.scope());
        match depth {
            0 => self.router_mut().set_fallback(level, files.into_endpoint()),
            _ => {
                let files = StripPrefix::new(depth, files.into_endpoint());
                self.router_mut().set_fallback(level, files);
            }
        }
        self
    }
}
