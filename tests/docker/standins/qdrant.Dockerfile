# NOT Qdrant, of which no program can be had here: tests/qdrantserver.py.
ARG AEGIS
FROM ${AEGIS}
USER 0
RUN install -d -o 1000 -g 1000 /qdrant /qdrant/storage /qdrant/snapshots \
 && printf '%s\n' '#!/bin/sh' \
        'exec tini -- python -m tests.qdrantserver --host 0.0.0.0 --port 6333 --api-key "$QDRANT__SERVICE__API_KEY"' \
        > /qdrant/entrypoint.sh && chmod 755 /qdrant/entrypoint.sh
COPY tests /qdrant/tests
WORKDIR /qdrant
USER 1000:1000
ENTRYPOINT []
CMD ["./entrypoint.sh"]
