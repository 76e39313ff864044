// A key that is typed in here, or on the console's pages, is kept in this tab until it is closed. (Swagger UI's own
// persistAuthorization would write it to the disk.)
const KEY = "key";
const SCHEME = "bearer";

const remember = {
  statePlugins: {
    auth: {
      wrapActions: {
        authorize: (act) => (given) => {
          if (given[SCHEME]?.value) sessionStorage.setItem(KEY, given[SCHEME].value);
          return act(given);
        },
        logout: (act) => (names) => {
          sessionStorage.removeItem(KEY);
          return act(names);
        },
      },
    },
  },
};

const page = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  plugins: [remember],
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  onComplete: () => {
    const key = sessionStorage.getItem(KEY);
    if (key) page.preauthorizeApiKey(SCHEME, key);
  },
});
