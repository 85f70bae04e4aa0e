# Meridian in a container: Node 26 slim, not root, no shell needed at run time.
#   docker build -t meridian .
#   docker run --rm -p 53:53/udp -p 53:53/tcp -v ./meridian.yaml:/etc/meridian/meridian.yaml:ro meridian

FROM node:26-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund
COPY src ./src
RUN node node_modules/vite/bin/vite.js build --config src/dashboard/vite.config.ts --logLevel error
# The image brings Node itself; the page is built: neither the npm copy of Node nor the bundler is needed.
RUN npm prune --omit=dev --omit=optional --no-audit --no-fund && rm -rf node_modules/vite

FROM node:26-trixie-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json ./
COPY src ./src
COPY geo ./geo
COPY config ./config
RUN useradd --system --uid 65532 --no-create-home meridian \
 && install -d -o 65532 -g 65532 /var/lib/meridian
USER 65532:65532
VOLUME /var/lib/meridian
EXPOSE 53/udp 53/tcp 8080 8053
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "--disable-warning=ExperimentalWarning", "src/main.ts", "healthcheck"]
ENTRYPOINT ["node", "--disable-warning=ExperimentalWarning", "--disable-sigusr1", \
  "--max-semi-space-size=8", "src/main.ts"]
CMD ["run", "--config", "/etc/meridian/meridian.yaml"]
