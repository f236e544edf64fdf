# temporal-cep as one command, for worker, ingest and all others:
#
#   docker build --tag temporal-cep .
#   docker run --rm --volume "$PWD/examples:/journeys:ro" temporal-cep diagram --pattern /journeys/journeys.ts
#
# A journeys module is mounted wherever you like, outside of this image's /app.
FROM node:22.20.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Without scripts: `prepare` would build what is not there yet, and no dependency needs its own.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22.20.0-bookworm-slim
# Temporal's client trusts what the system trusts.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production
COPY --from=build /app/package.json /app/package.json
COPY --from=build /app/node_modules /app/node_modules
COPY --from=build /app/dist /app/dist
COPY LICENSE /app/
# In /node_modules a module finds the package by its name, wherever it is mounted.
RUN mkdir /node_modules \
  && ln -s /app /node_modules/temporal-cep \
  && ln -s /app/dist/cli/main.js /usr/local/bin/temporal-cep \
  && install --directory --owner=node --group=node /data
# Where `--with-worker` keeps what it knows.
WORKDIR /data
USER node
ENTRYPOINT ["temporal-cep"]
CMD ["--help"]
