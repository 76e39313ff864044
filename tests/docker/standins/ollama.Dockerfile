# The tests' own Ollama, with a small model in it.
ARG PROGRAMS
FROM ${PROGRAMS}
COPY ollama /usr/local/bin/
COPY models /root/.ollama/models
ENV OLLAMA_HOST=0.0.0.0:11434
ENTRYPOINT ["ollama"]
CMD ["serve"]
