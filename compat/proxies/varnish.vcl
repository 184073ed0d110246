vcl 4.1;

backend volga {
    .host = "127.0.0.1";
    .port = "7878";
    .between_bytes_timeout = 60s;
}
